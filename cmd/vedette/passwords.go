package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	keyringlib "github.com/zalando/go-keyring"
	"golang.org/x/term"

	"vedette.dev/vedette/internal/fault"
)

// passwordPlace is where the password of a connection is kept.
type passwordPlace string

const (
	inKeyring passwordPlace = "keyring" // of the operating system
	inFile    passwordPlace = "file"    // passwordFile, mode 0600
)

const (
	passwordFile   = "passwords.json"
	keyringService = "vedette"
)

// keyring is the operating system's store of secrets.
type keyring interface {
	Set(service, name, secret string) error
	Get(service, name string) (string, error)
	Delete(service, name string) error
}

// systemKeyring is the Keychain of macOS, the Credential Manager of Windows, or
// the Secret Service of a Linux desktop.
type systemKeyring struct{}

func (systemKeyring) Set(service, name, secret string) error {
	return keyringlib.Set(service, name, secret)
}
func (systemKeyring) Get(service, name string) (string, error) { return keyringlib.Get(service, name) }
func (systemKeyring) Delete(service, name string) error        { return keyringlib.Delete(service, name) }

// savePassword keeps the password of a connection in the keyring, or where there
// is none, as on a server, in a file, which it says on standard error.
func (a *app) savePassword(name, password string) (passwordPlace, error) {
	unavailable := a.keyring.Set(keyringService, name, password)
	if unavailable == nil {
		return inKeyring, nil
	}
	passwords, err := a.readPasswords()
	if err != nil {
		return "", err
	}
	passwords[name] = password
	if err := a.writePrivate(passwordFile, passwords); err != nil {
		return "", err
	}
	path, err := a.configPath(passwordFile)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(a.stderr, "No system keyring is available (%s).\nThe password is kept unencrypted in %s, which only you can read.\n",
		printable(unavailable.Error()), path)
	return inFile, nil
}

func (a *app) loadPassword(name string, place passwordPlace) (string, error) {
	nextStep := fmt.Sprintf("Save it again with 'vedette connections add %s --replace', or give --password-file.", name)
	if place == inKeyring {
		password, err := a.keyring.Get(keyringService, name)
		if err != nil {
			return "", fault.New(fault.NotFound, fmt.Sprintf("The password of connection %s cannot be read from the system keyring: %v.", name, err), nextStep)
		}
		return password, nil
	}
	passwords, err := a.readPasswords()
	if err != nil {
		return "", err
	}
	password, ok := passwords[name]
	if !ok {
		return "", fault.New(fault.NotFound, fmt.Sprintf("There is no saved password of connection %s.", name), nextStep)
	}
	return password, nil
}

// removePassword forgets a password; one that is gone already is no error.
func (a *app) removePassword(name string, place passwordPlace) error {
	if place == inKeyring {
		if err := a.keyring.Delete(keyringService, name); err != nil && !errors.Is(err, keyringlib.ErrNotFound) {
			return fmt.Errorf("remove the password of connection %s from the system keyring: %w", name, err)
		}
		return nil
	}
	passwords, err := a.readPasswords()
	if err != nil {
		return err
	}
	delete(passwords, name)
	return a.writePrivate(passwordFile, passwords)
}

// readPasswords reads the password file. One that others can read is refused:
// its passwords must be taken for known.
func (a *app) readPasswords() (map[string]string, error) {
	passwords := map[string]string{}
	path, err := a.configPath(passwordFile)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return passwords, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read saved passwords: %w", err)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return nil, fault.New(fault.Conflict, fmt.Sprintf("Password file %s has mode %04o: others can read it.", path, mode),
			"Change the passwords in it, and run: chmod 600 "+path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read saved passwords: %w", err)
	}
	if err := json.Unmarshal(text, &passwords); err != nil {
		return nil, fault.New(fault.Conflict, fmt.Sprintf("Password file %s is not valid JSON.", path), "Remove it and add the connections again.")
	}
	return passwords, nil
}

// askPassword returns what asks the person at the terminal, nil when there is
// none.
func (a *app) askPassword(s settings) func() (string, error) {
	in, ok := a.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return nil
	}
	return func() (string, error) {
		fmt.Fprintf(a.stderr, "Password of %s at %s: ", s.username, s.url)
		password, err := term.ReadPassword(int(in.Fd()))
		fmt.Fprintln(a.stderr)
		if err != nil {
			return "", fmt.Errorf("read password: %w", err)
		}
		if len(password) == 0 {
			return "", usagef("the password is empty")
		}
		return string(password), nil
	}
}
