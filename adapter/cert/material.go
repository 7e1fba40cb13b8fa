package cert

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Keys of the Secret's data.
const (
	keyCACert   = "ca.crt"
	keyCAKey    = "ca.key"
	keyLeafCert = "tls.crt"
	keyLeafKey  = "tls.key"
)

// maxEntry bounds what is parsed of one Secret entry: our own content is
// below 4 KiB.
const maxEntry = 64 << 10

// authority is a CA that can sign.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Pair is a leaf in the form a TLS server takes.
type Pair struct {
	CertPEM, KeyPEM []byte
	Leaf            *x509.Certificate
}

// parseTrust reads the CAs of a bundle that are ours by kind and not expired.
// Others are left out: what reaches kube-apiserver's trust is only ever what
// this package could have made.
func parseTrust(data []byte, now time.Time) []*x509.Certificate {
	certs, err := parseCerts(data)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(certs, func(c *x509.Certificate) bool { return checkCA(c, now) != nil })
}

func checkCA(c *x509.Certificate, now time.Time) error {
	switch {
	case !isP256(c.PublicKey):
		return errors.New("the CA's key is not ECDSA P-256")
	case !c.IsCA || !c.BasicConstraintsValid || c.KeyUsage&x509.KeyUsageCertSign == 0:
		return errors.New("the certificate is not a CA's")
	}
	return checkTime("CA", c, now)
}

// parseAuthority reads the CA that signs: the first one of the bundle, whose
// key is in ca.key.
func parseAuthority(data map[string][]byte, now time.Time) (*authority, error) {
	certs, err := parseCerts(data[keyCACert])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", keyCACert, err)
	}
	if err := checkCA(certs[0], now); err != nil {
		return nil, fmt.Errorf("%s: %w", keyCACert, err)
	}
	key, err := parseKey(data[keyCAKey])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", keyCAKey, err)
	}
	if !key.PublicKey.Equal(certs[0].PublicKey) {
		return nil, fmt.Errorf("%s: does not belong to the first certificate of %s", keyCAKey, keyCACert)
	}
	return &authority{cert: certs[0], key: key}, nil
}

// parseLeaf reads the serving pair and verifies it as kube-apiserver will:
// against the trusted CAs, for a server, for every one of names.
func parseLeaf(data map[string][]byte, trust []*x509.Certificate, names []string, now time.Time) (*Pair, error) {
	certs, err := parseCerts(data[keyLeafCert])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", keyLeafCert, err)
	}
	leaf := certs[0]
	if !isP256(leaf.PublicKey) {
		return nil, fmt.Errorf("%s: the key is not ECDSA P-256", keyLeafCert)
	}
	key, err := parseKey(data[keyLeafKey])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", keyLeafKey, err)
	}
	if !key.PublicKey.Equal(leaf.PublicKey) {
		return nil, fmt.Errorf("%s: does not belong to %s", keyLeafKey, keyLeafCert)
	}
	if err := checkTime("certificate", leaf, now); err != nil {
		return nil, fmt.Errorf("%s: %w", keyLeafCert, err)
	}
	for _, name := range names {
		if !slices.Contains(leaf.DNSNames, name) {
			return nil, fmt.Errorf("%s: is not valid for %s", keyLeafCert, name)
		}
	}
	roots := x509.NewCertPool()
	for _, ca := range trust {
		roots.AddCert(ca)
	}
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", keyLeafCert, err)
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", keyLeafKey, err)
	}
	return &Pair{CertPEM: encodeCerts(leaf), KeyPEM: keyPEM, Leaf: leaf}, nil
}

func checkTime(what string, c *x509.Certificate, now time.Time) error {
	switch {
	case now.Before(c.NotBefore):
		return fmt.Errorf("the %s is valid only from %s", what, c.NotBefore.Format(time.RFC3339))
	case now.After(c.NotAfter):
		return fmt.Errorf("the %s expired at %s", what, c.NotAfter.Format(time.RFC3339))
	}
	return nil
}

// parseCerts reads at least one PEM certificate. Anything else in the data is
// an error, so that nothing rides along unseen.
func parseCerts(data []byte) ([]*x509.Certificate, error) {
	if len(data) > maxEntry {
		return nil, fmt.Errorf("has %d bytes, more than %d", len(data), maxEntry)
	}
	var certs []*x509.Certificate
	for data = bytes.TrimSpace(data); len(data) > 0; data = bytes.TrimSpace(data) {
		block, rest := pem.Decode(data)
		if block == nil || block.Type != "CERTIFICATE" {
			return nil, errors.New("is not a list of PEM certificates")
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d does not parse: %w", len(certs), err)
		}
		certs, data = append(certs, c), rest
	}
	if len(certs) == 0 {
		return nil, errors.New("is empty")
	}
	return certs, nil
}

// parseKey's errors never carry the data: it may be a key, only not a good one.
func parseKey(data []byte) (*ecdsa.PrivateKey, error) {
	if len(data) == 0 {
		return nil, errors.New("is empty")
	}
	if len(data) > maxEntry {
		return nil, fmt.Errorf("has %d bytes, more than %d", len(data), maxEntry)
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errors.New("is not a PEM PKCS#8 private key")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("is not a PKCS#8 private key")
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("is not an ECDSA P-256 key")
	}
	return key, nil
}

func isP256(public any) bool {
	key, ok := public.(*ecdsa.PublicKey)
	return ok && key.Curve == elliptic.P256()
}

func encodeCerts(certs ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
