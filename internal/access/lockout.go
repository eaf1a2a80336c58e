package access

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"vedette.dev/vedette/internal/fault"
)

const (
	// freeFailures is how many sign-ins may fail in a row before the first lock.
	freeFailures = 5
	// firstLock is how long that lasts; every failure after it doubles that, up to
	// longestLock.
	firstLock   = 30 * time.Second
	longestLock = 15 * time.Minute
	// ForgetFailuresAfter is when failures count no more.
	ForgetFailuresAfter = 24 * time.Hour
	// networkBits is the part of an IPv6 address that a single host cannot choose.
	networkBits = 64
)

// lockFor returns how long a name is locked after so many failures in a row.
func lockFor(failures int) time.Duration {
	if failures < freeFailures {
		return 0
	}
	lock := firstLock
	for range failures - freeFailures {
		if lock *= 2; lock >= longestLock {
			return longestLock
		}
	}
	return lock
}

// refuseLocked refuses an attempt while its name is locked for its network. What
// is remembered of the caller goes: otherwise who shares the network with
// somebody at work could go on guessing at what is remembered, as fast as they
// like.
func (a *Authenticator) refuseLocked(ctx context.Context, try attempt) error {
	until, err := a.storage.LockedUntil(ctx, try.username, try.network)
	if err != nil {
		return err
	}
	wait := until.Sub(a.now())
	if wait <= 0 {
		return nil
	}
	a.forget(try.caller)
	return locked(wait)
}

// locked is refused for those who have to wait. It says the same of names that
// do not exist.
func locked(wait time.Duration) error {
	seconds := int64((wait + time.Second - 1) / time.Second)
	return fault.New(fault.Unauthenticated, fmt.Sprintf("Authentication failed. After too many failures wait %d seconds.", seconds),
		"Wait, verify both, user and password credentials, and then send the request again.")
}

// NetworkOf returns what requests of strangers are counted by: the IP address, or the
// network of an IPv6 address, in which a single host has as many addresses as it likes.
func NetworkOf(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	return netip.PrefixFrom(ip, networkBits).Masked().String()
}
