package secret

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Label is the place of a sealed value. A value that was moved to another place
// does not open.
type Label struct {
	Kind  string // of the object, such as aws_auth_record
	ID    int64
	Field string
}

// String returns kind:id:field.
func (l Label) String() string { return fmt.Sprintf("%s:%d:%s", l.Kind, l.ID, l.Field) }

// keysetLabel binds a wrapped keyset to what it is.
const keysetLabel = "vedette keyset"

// Keyset seals values with its primary key and opens them with any of its keys.
type Keyset struct {
	handle *keyset.Handle
	cipher tink.AEAD
}

// NewKeyset returns a keyset with one new key.
func NewKeyset() (*Keyset, error) { return withPrimary(keyset.NewManager()) }

// Rotated returns the keyset with a new key that seals from now on.
func (k *Keyset) Rotated() (*Keyset, error) {
	return withPrimary(keyset.NewManagerFromHandle(k.handle))
}

func withPrimary(m *keyset.Manager) (*Keyset, error) {
	id, err := m.Add(aead.AES256GCMKeyTemplate())
	if err == nil {
		err = m.SetPrimary(id)
	}
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	handle, err := m.Handle()
	if err != nil {
		return nil, fmt.Errorf("make a keyset: %w", err)
	}
	return use(handle)
}

func use(handle *keyset.Handle) (*Keyset, error) {
	cipher, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("use the keyset: %w", err)
	}
	return &Keyset{handle: handle, cipher: cipher}, nil
}

// Retaining returns the keyset without the keys that are neither primary nor
// among ids.
func (k *Keyset) Retaining(ids []uint32) (*Keyset, error) {
	m := keyset.NewManagerFromHandle(k.handle)
	for _, id := range k.KeyIDs()[1:] {
		if slices.Contains(ids, id) {
			continue
		}
		if err := m.Delete(id); err != nil {
			return nil, fmt.Errorf("drop key %d: %w", id, err)
		}
	}
	handle, err := m.Handle()
	if err != nil {
		return nil, fmt.Errorf("drop keys: %w", err)
	}
	return use(handle)
}

// KeyIDs returns the ids of the keys, that of the primary first.
func (k *Keyset) KeyIDs() []uint32 {
	info := k.handle.KeysetInfo()
	ids := []uint32{info.GetPrimaryKeyId()}
	for _, key := range info.GetKeyInfo() {
		if key.GetKeyId() != ids[0] {
			ids = append(ids, key.GetKeyId())
		}
	}
	return ids
}

// Primary returns the id of the key that seals.
func (k *Keyset) Primary() uint32 { return k.KeyIDs()[0] }

// Wrap returns the keyset sealed in an envelope.
func (k *Keyset) Wrap(e *Envelope) ([]byte, error) {
	var wrapped bytes.Buffer
	if err := k.handle.WriteWithAssociatedData(keyset.NewBinaryWriter(&wrapped), e, []byte(keysetLabel)); err != nil {
		return nil, fmt.Errorf("seal keyset: %w", err)
	}
	return wrapped.Bytes(), nil
}

// Unwrap returns the keyset that Wrap has sealed; ErrEnvelope with another
// envelope.
func Unwrap(e *Envelope, wrapped []byte) (*Keyset, error) {
	handle, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(wrapped)), e, []byte(keysetLabel))
	if err != nil {
		// Tink does not say why.
		return nil, fmt.Errorf("open keyset: %w", errors.Join(ErrEnvelope, err))
	}
	return use(handle)
}

// Seal encrypts a value for one place.
func (k *Keyset) Seal(l Label, value string) ([]byte, error) {
	sealed, err := k.cipher.Encrypt([]byte(value), []byte(l.String()))
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", l, err)
	}
	return sealed, nil
}

// Open decrypts what was sealed for this place by one of the keys.
func (k *Keyset) Open(l Label, sealed []byte) (string, error) {
	value, err := k.cipher.Decrypt(sealed, []byte(l.String()))
	if err != nil {
		return "", fmt.Errorf("open %s: %w", l, err)
	}
	return string(value), nil
}

// KeyID returns the id of the key a value was sealed with: four bytes after the
// version (Tink wire format, output prefix).
func KeyID(sealed []byte) (uint32, error) {
	const prefix = 5
	if len(sealed) < prefix || sealed[0] != 1 {
		return 0, errors.New("the value was not sealed by a keyset")
	}
	return binary.BigEndian.Uint32(sealed[1:prefix]), nil
}
