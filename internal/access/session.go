package access

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	// SessionLife is how long a session token lasts (Qualys Cloud Agent API,
	// gateway authentication).
	SessionLife = 4 * time.Hour
	// sessionIssuer is what session tokens name as their maker.
	sessionIssuer = "vedette"
	// clockSkew is by how much the clocks of replicas may differ.
	clockSkew = time.Minute
)

var errSession = errors.New("not a session token of this platform")

// Issuer makes and reads session tokens: JWTs that are signed with an Ed25519
// key, which replicas of a platform share. They name a user and hold no rights;
// what the user may do is read at every request. It is safe for concurrent use.
type Issuer struct {
	signer   jose.Signer
	public   ed25519.PublicKey
	audience string
	now      func() time.Time
}

// sessionClaims are what a session token says.
type sessionClaims struct {
	jwt.Claims
	// Permissions are for the client to read. They are those of the time of issue,
	// and the platform does not look at them.
	Permissions []Permission `json:"permissions,omitempty"`
}

// session is a session token that was read.
type session struct {
	id              string
	userID          int64
	issued, expires time.Time
}

// NewIssuer returns an Issuer for the subscription with the given customer id.
func NewIssuer(key ed25519.PrivateKey, customerID string, now func() time.Time) (*Issuer, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: key}, new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("use token key: %w", err)
	}
	return &Issuer{signer: signer, public: key.Public().(ed25519.PublicKey), audience: customerID, now: now}, nil
}

// Issue returns a session token of the principal, which lists their permissions
// if asked for. Only who showed a password may have one: a token must not make
// itself last longer.
func (i *Issuer) Issue(p Principal, listPermissions bool) (string, error) {
	if p.ByToken {
		return "", errors.New("a token asks for a session token")
	}
	// Claims have whole seconds. A token that is made in the second in which the
	// password changed is dated after the change, which ends those made before.
	issued := i.now().Truncate(time.Second)
	if changed := p.User.PasswordChanged; issued.Before(changed) {
		issued = changed.Add(time.Second - 1).Truncate(time.Second)
	}
	claims := sessionClaims{Claims: jwt.Claims{
		Issuer: sessionIssuer, Subject: strconv.FormatInt(p.User.ID, 10), Audience: jwt.Audience{i.audience},
		IssuedAt: jwt.NewNumericDate(issued), Expiry: jwt.NewNumericDate(issued.Add(SessionLife)), ID: rand.Text(),
	}}
	if listPermissions {
		claims.Permissions = p.Permissions()
	}
	token, err := jwt.Signed(i.signer).Claims(claims).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign session token: %w", err)
	}
	return token, nil
}

// read returns what a session token says, errSession for what this platform has
// not signed for itself. Whether it has expired is for the caller to see.
func (i *Issuer) read(token string) (session, error) {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return session{}, errSession
	}
	var claims jwt.Claims
	if err := parsed.Claims(i.public, &claims); err != nil {
		return session{}, errSession
	}
	userID, err := strconv.ParseInt(claims.Subject, 10, 64)
	switch {
	case err != nil, claims.Issuer != sessionIssuer, !claims.Audience.Contains(i.audience),
		claims.Expiry == nil, claims.IssuedAt == nil, claims.NotBefore != nil,
		claims.IssuedAt.Time().After(i.now().Add(clockSkew)),
		claims.Expiry.Time().Sub(claims.IssuedAt.Time()) > SessionLife:
		return session{}, errSession
	}
	return session{id: claims.ID, userID: userID, issued: claims.IssuedAt.Time(), expires: claims.Expiry.Time()}, nil
}
