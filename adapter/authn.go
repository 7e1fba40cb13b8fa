package adapter

import (
	"crypto/sha256"
	"crypto/x509"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	"k8s.io/apiserver/pkg/authentication/request/headerrequest"
	"k8s.io/apiserver/pkg/authentication/user"
)

const (
	// certificateMemory is for how long a certificate that was verified counts as such, as
	// the library has it for tokens. So long a CA or a proxy's name that is taken back
	// may still be accepted.
	certificateMemory = 10 * time.Second
	// certificatesHeld bounds whom it remembers.
	certificatesHeld = 1024
)

// certificates is an authenticator that remembers who a client certificate belongs to. The
// library verifies its chain for each request anew, in which a sixth of a read's CPU goes; a
// connection has one for all of its requests.
type certificates struct {
	next  authenticator.Request
	proxy *authenticatorfactory.RequestHeaderConfig // nil without a proxy that may speak for others
	known *cache.LRUExpireCache
	now   clockFunc
}

// rememberCertificates returns next with a memory. The headers by which a proxy says who
// asks are those of proxy; nothing else of a request with a certificate decides that.
func rememberCertificates(next authenticator.Request, proxy *authenticatorfactory.RequestHeaderConfig, now func() time.Time) authenticator.Request {
	return &certificates{
		next: next, proxy: proxy, now: now, known: cache.NewLRUExpireCacheWithClock(certificatesHeld, clockFunc(now)),
	}
}

// claim is what decides who asks. The certificate is that of the TLS connection, whose
// holder has proved in its handshake to have the key.
type claim struct {
	certificate *x509.Certificate
	headers     [sha256.Size]byte
}

// AuthenticateRequest implements [authenticator.Request].
func (c *certificates) AuthenticateRequest(r *http.Request) (*authenticator.Response, bool, error) {
	growStack() // the first of the library's filters in its second goroutine for a request
	// A token is remembered by the library, if it comes to that.
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 || r.Header.Get("Authorization") != "" || r.Header.Get("Sec-Websocket-Protocol") != "" {
		return c.next.AuthenticateRequest(r)
	}
	of := claim{r.TLS.PeerCertificates[0], c.headers(r.Header)} // before the library clears them
	if known, ok := c.known.Get(of); ok {
		return known.(*authenticator.Response), true, nil
	}
	response, ok, err := c.next.AuthenticateRequest(r)
	// Who is anonymous may be so on this path alone.
	if err == nil && ok && response.User.GetName() != user.Anonymous {
		if span := min(certificateMemory, of.certificate.NotAfter.Sub(c.now.Now())); span > 0 {
			c.known.Add(of, response, span)
		}
	}
	return response, ok, err
}

// headers are those that the proxy says who asks by, as a sum: whoever has a certificate may
// send as many and as long ones as HTTP allows. No two sets of them are alike, for each text
// comes with its length.
func (c *certificates) headers(h http.Header) [sha256.Size]byte {
	if c.proxy == nil {
		return [sha256.Size]byte{}
	}
	var names []string
	for _, of := range []headerrequest.StringSliceProvider{c.proxy.UsernameHeaders, c.proxy.UIDHeaders, c.proxy.GroupHeaders} {
		for _, name := range of.Value() {
			if name = http.CanonicalHeaderKey(name); len(h[name]) > 0 {
				names = append(names, name)
			}
		}
	}
	for _, prefix := range c.proxy.ExtraHeaderPrefixes.Value() {
		for name := range h {
			if len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	var key []byte
	for _, name := range slices.Compact(names) {
		key = appendSized(key, name)
		for _, value := range h[name] {
			key = appendSized(append(key, '='), value)
		}
	}
	return sha256.Sum256(key)
}

// appendSized appends a text with its length.
func appendSized(key []byte, text string) []byte {
	return append(append(strconv.AppendInt(key, int64(len(text)), 10), ':'), text...)
}

// clockFunc tells the time.
type clockFunc func() time.Time

func (c clockFunc) Now() time.Time { return c() }
