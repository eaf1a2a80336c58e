package automationapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// decodeStrictly reads a JSON object and refuses members it does not know: a
// misspelled one would do something else than was meant.
func decodeStrictly(doc []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(doc))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		// Its own text repeats numbers, and one of them may be a password.
		if wrong.Field == "" {
			return errors.New("it must be an object")
		}
		return fmt.Errorf("%s must be %s", wrong.Field, kindOf(wrong.Type))
	}
	return err
}

// kindOf names what JSON has for a Go type.
func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	default:
		return "an integer"
	}
}

// The bodies of writes. Members that are left out are nil where that differs
// from an empty value.
type (
	reference struct {
		ID   int64  `json:"id,omitempty"`
		Name string `json:"name,omitempty"`
	}
	scope struct {
		AllAssets bool        `json:"allAssets"`
		Tags      []reference `json:"tags"`
	}
	newUser struct {
		Username  string      `json:"username"`
		FirstName string      `json:"firstName"`
		LastName  string      `json:"lastName"`
		Email     string      `json:"email"`
		Password  string      `json:"password"`
		Roles     []reference `json:"roles"`
		Scope     scope       `json:"scope"`
	}
	userChange struct {
		FirstName *string `json:"firstName"`
		LastName  *string `json:"lastName"`
		Email     *string `json:"email"`
		Disabled  *bool   `json:"disabled"`
		Scope     *scope  `json:"scope"`
	}
	settingsChange struct {
		TimeFormat *string `json:"timeFormat"`
		TimeZone   *string `json:"timeZone"`
	}
	newPassword struct {
		Password    string `json:"password"`
		OldPassword string `json:"oldPassword"`
	}
	newToken struct {
		Name      string `json:"name"`
		ExpiresIn *int64 `json:"expiresIn"`
	}
	newRole struct {
		Name        string   `json:"name"`
		Description string   `json:"description"`
		APIAccess   *bool    `json:"apiAccess"`
		UIAccess    bool     `json:"uiAccess"`
		Modules     []string `json:"modules"`
		Permissions []string `json:"permissions"`
	}
	roleChange struct {
		Name        *string  `json:"name"`
		Description *string  `json:"description"`
		APIAccess   *bool    `json:"apiAccess"`
		UIAccess    *bool    `json:"uiAccess"`
		Modules     []string `json:"modules"`
		Permissions []string `json:"permissions"`
	}
	schedulesChange struct {
		Schedules []scheduleChange `json:"schedules"`
	}
	scheduleChange struct {
		Module           string `json:"module"`
		IntervalMinutes  *int64 `json:"intervalMinutes"`
		DelaySeconds     *int64 `json:"delaySeconds"`
		RandomizeSeconds *int64 `json:"randomizeSeconds"`
	}
	partitionChange struct {
		Enabled *bool `json:"enabled"`
	}
	newBaseAccount struct {
		AccountID   string `json:"accountId"`
		AccessKeyID string `json:"accessKeyId"`
		SecretKey   string `json:"secretKey"`
	}
	newRelay struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		Site        string `json:"site"`
	}
	roleAssignment struct {
		Add    []string `json:"add"`
		Remove []string `json:"remove"`
	}
)

// UnmarshalJSON refuses members it does not know, as those below do.
func (b *newUser) UnmarshalJSON(doc []byte) error {
	type plain newUser
	return decodeStrictly(doc, (*plain)(b))
}

// UnmarshalJSON refuses members it does not know.
func (b *userChange) UnmarshalJSON(doc []byte) error {
	type plain userChange
	return decodeStrictly(doc, (*plain)(b))
}

// UnmarshalJSON refuses members it does not know.
func (b *settingsChange) UnmarshalJSON(doc []byte) error {
	type plain settingsChange
	return decodeStrictly(doc, (*plain)(b))
}

// UnmarshalJSON refuses members it does not know.
func (b *newPassword) UnmarshalJSON(doc []byte) error {
	type plain newPassword
	return decodeStrictly(doc, (*plain)(b))
}

// UnmarshalJSON refuses members it does not know.
func (b *newToken) UnmarshalJSON(doc []byte) error {
	type plain newToken
	return decodeStrictly(doc, (*plain)(b))
}

// UnmarshalJSON refuses members it does not know.
func (b *newRole) UnmarshalJSON(doc []byte) error {
	type plain newRole
	return decodeStrictly(doc, (*plain)(b))
}

// UnmarshalJSON refuses members it does not know.
func (b *roleChange) UnmarshalJSON(doc []byte) error {
	type plain roleChange
	return decodeStrictly(doc, (*plain)(b))
}

// UnmarshalJSON refuses members it does not know.
func (b *roleAssignment) UnmarshalJSON(doc []byte) error {
	type plain roleAssignment
	return decodeStrictly(doc, (*plain)(b))
}

// UnmarshalJSON refuses members it does not know.
func (b *schedulesChange) UnmarshalJSON(doc []byte) error {
	type plain schedulesChange
	return decodeStrictly(doc, (*plain)(b))
}

// UnmarshalJSON refuses members it does not know.
func (b *partitionChange) UnmarshalJSON(doc []byte) error {
	type plain partitionChange
	return decodeStrictly(doc, (*plain)(b))
}

// UnmarshalJSON refuses members it does not know.
func (b *newBaseAccount) UnmarshalJSON(doc []byte) error {
	type plain newBaseAccount
	return decodeStrictly(doc, (*plain)(b))
}

// UnmarshalJSON refuses members it does not know.
func (b *newRelay) UnmarshalJSON(doc []byte) error {
	type plain newRelay
	return decodeStrictly(doc, (*plain)(b))
}
