package cert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"
)

// Issue carries out a decision: it returns the Secret's four entries as they
// are to be written, the ones that stay included. Keep returns nil.
func Issue(now time.Time, d Decision, names []string, policy Policy) (map[string][]byte, error) {
	switch d.Action {
	case Keep:
		return nil, nil
	case RenewLeaf:
		pair, err := newLeaf(now, d.ca, names, policy)
		if err != nil {
			return nil, err
		}
		return assemble(d.ca, trustFor(now, d, d.ca.cert, pair.Leaf, policy), pair)
	}
	ca, err := newCA(now, policy)
	if err != nil {
		return nil, err
	}
	pair := d.Pair
	if pair == nil {
		if pair, err = newLeaf(now, ca, names, policy); err != nil {
			return nil, err
		}
	}
	return assemble(ca, trustFor(now, d, ca.cert, pair.Leaf, policy), pair)
}

// trustFor is the bundle to publish: the signing CA, and each earlier one that
// may still have a leaf alive, that is as long as the signing CA is younger
// than a leaf can grow old, or if it signed the leaf in the Secret.
func trustFor(now time.Time, d Decision, signing, leaf *x509.Certificate, policy Policy) []*x509.Certificate {
	trust := []*x509.Certificate{signing}
	young := now.Before(signing.NotBefore.Add(policy.Backdate + policy.LeafLifetime))
	for _, c := range d.Trust {
		if c.Equal(signing) {
			continue
		}
		if young || leaf.CheckSignatureFrom(c) == nil {
			trust = append(trust, c)
		}
	}
	return trust
}

func assemble(ca *authority, trust []*x509.Certificate, pair *Pair) (map[string][]byte, error) {
	caKey, err := encodeKey(ca.key)
	if err != nil {
		return nil, fmt.Errorf("encoding the CA's key: %w", err)
	}
	return map[string][]byte{
		keyCACert:   encodeCerts(trust...),
		keyCAKey:    caKey,
		keyLeafCert: pair.CertPEM,
		keyLeafKey:  pair.KeyPEM,
	}, nil
}

func newCA(now time.Time, policy Policy) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the CA's key: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	// The name differs from CA to CA: verifiers look issuers up by name.
	name := pkix.Name{CommonName: fmt.Sprintf("loadline-ca-%x", serial)}
	c, err := sign(&x509.Certificate{
		SerialNumber:          serial,
		Subject:               name,
		NotBefore:             now.Add(-policy.Backdate),
		NotAfter:              now.Add(policy.CALifetime),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}, nil, key, key)
	if err != nil {
		return nil, fmt.Errorf("making the CA: %w", err)
	}
	return &authority{cert: c, key: key}, nil
}

func newLeaf(now time.Time, ca *authority, names []string, policy Policy) (*Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the certificate's key: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	end := now.Add(policy.LeafLifetime)
	if end.After(ca.cert.NotAfter) {
		end = ca.cert.NotAfter
	}
	c, err := sign(&x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "loadline"},
		NotBefore:             now.Add(-policy.Backdate),
		NotAfter:              end,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              names,
	}, ca.cert, key, ca.key)
	if err != nil {
		return nil, fmt.Errorf("making the certificate: %w", err)
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding the certificate's key: %w", err)
	}
	return &Pair{CertPEM: encodeCerts(c), KeyPEM: keyPEM, Leaf: c}, nil
}

// sign makes a certificate for key; without a parent it is self-signed.
func sign(template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) (*x509.Certificate, error) {
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// newSerial draws a positive serial number of up to 127 bits: RFC 5280,
// 4.1.2.2 allows 20 octets.
func newSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("drawing a serial number: %w", err)
	}
	return serial.Add(serial, big.NewInt(1)), nil
}
