package proxy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// MaxProxies is how many proxies there may be, as with the public agents.
const MaxProxies = 5

// Orders in which proxies are tried.
const (
	Sequential = "sequential"
	Random     = "random"
)

// Settings are the proxies of an agent. The nil pointer has none. They are safe for
// concurrent use.
type Settings struct {
	proxies  []*url.URL
	variable string // they come from
	failOpen bool
	through  func(*url.URL) (*url.URL, error) // nil for what no_proxy names
}

// FromEnvironment reads the proxies from the environment. With failOpen a request
// goes directly when all of them fail. An error names the variable and not its value,
// which may hold a password.
func FromEnvironment(getenv func(string) string, order string, failOpen bool) (*Settings, error) {
	if order != Sequential && order != Random {
		return nil, fmt.Errorf("order of proxies is %q, allowed are %s and %s", order, Sequential, Random)
	}
	s := &Settings{failOpen: failOpen}
	value := ""
	for _, name := range []string{"vedette_https_proxy", "VEDETTE_HTTPS_PROXY", "https_proxy", "HTTPS_PROXY"} {
		if value = getenv(name); value != "" {
			s.variable = name
			break
		}
	}
	for part := range strings.SplitSeq(strings.Trim(value, `" `), ";") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		proxy, err := parse(part)
		if err != nil {
			return nil, fmt.Errorf("%s: proxy %d %w", s.variable, len(s.proxies)+1, err)
		}
		s.proxies = append(s.proxies, proxy)
	}
	if len(s.proxies) > MaxProxies {
		return nil, fmt.Errorf("%s has %d proxies, at most %d are allowed", s.variable, len(s.proxies), MaxProxies)
	}
	if order == Random {
		rand.Shuffle(len(s.proxies), func(i, j int) { s.proxies[i], s.proxies[j] = s.proxies[j], s.proxies[i] }) //nolint:gosec // spreads a fleet, guards nothing
	}
	none := getenv("no_proxy")
	if none == "" {
		none = getenv("NO_PROXY")
	}
	s.through = (&httpproxy.Config{HTTPSProxy: "http://any", NoProxy: none}).ProxyFunc()
	return s, nil
}

// parse reads one address. Its errors do not show it.
func parse(address string) (*url.URL, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Hostname() == "" || (u.Path != "" && u.Path != "/") {
		return nil, errors.New("is not of the form http://user:password@host:port, with special characters of the password URL-encoded")
	}
	if !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
		return nil, fmt.Errorf("has the scheme %q, allowed are http, https and socks5", u.Scheme)
	}
	return u, nil
}

// Route returns the ways to an address in the order in which they are to be tried;
// nil in it stands for no proxy. It has at least one.
func (s *Settings) Route(to *url.URL) []*url.URL {
	if s == nil || len(s.proxies) == 0 {
		return []*url.URL{nil}
	}
	if proxy, err := s.through(to); err == nil && proxy == nil {
		return []*url.URL{nil}
	}
	route := slices.Clone(s.proxies)
	if s.failOpen {
		route = append(route, nil)
	}
	return route
}

// Variable names the environment variable that the proxies come from, "" for none.
func (s *Settings) Variable() string {
	if s == nil {
		return ""
	}
	return s.variable
}

// Name is a way as a person may see it, without credentials.
func Name(way *url.URL) string {
	if way == nil {
		return "no proxy"
	}
	return way.Scheme + "://" + way.Host
}
