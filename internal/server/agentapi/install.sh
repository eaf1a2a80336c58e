#!/bin/sh
# Makes this host an agent of a Vedette platform: fetches the package with the
# activation key, installs it, registers the host and starts the agent. On a host
# that is an agent already it installs the package anew; the host stays the same
# agent.
#
#   sh install.sh deb|rpm|tar.gz URL [CA-FILE]
#
# The customer id and the activation key are read from standard input, a line
# each, and are on no command line, where every user of the host could read them.
# CA-FILE has the certificates to trust in place of the host's own.
set -eu

fail() {
	printf 'install: %s\n' "$*" >&2
	exit 1
}

system=${1:-} url=${2:-} ca=${3:-}
case $system in
deb | rpm | tar.gz) ;;
*) fail "system '$system': allowed are deb, rpm and tar.gz" ;;
esac
case $url in
https://*) ;;
*) fail "URL '$url': it must begin with https://" ;;
esac
[ "$(id -u)" = 0 ] || fail "only root can install an agent: run the line again in a shell of root, or put sudo before its sh"
command -v curl >/dev/null || fail "curl is missing: install it and run the line again"
read -r customer && read -r key || fail "customer id and activation key are missing: copy the whole line"
case $customer$key in
*[!0-9A-Fa-f-]*) fail "customer id or activation key is no UUID: copy the whole line" ;;
esac

machine=$(uname -m)
package=vedette-agent.$system
set --
if [ -n "$ca" ]; then # the empty folder keeps curl from trusting the host's own authorities besides
	mkdir -p none
	set -- --cacert "$ca" --capath none
fi
status=$(printf 'user = "%s:%s"\n' "$customer" "$key" |
	curl --config - "$@" -sSg --proto =https --retry 5 --max-time 900 -o "$package" -w '%{http_code}' "$url/agent/v1/packages/$system/$machine") ||
	fail "the package could not be fetched: see that this host reaches $url, and run the line again"
case $status in
200) ;;
401) fail "the platform refuses the activation key, which is disabled, expired or not its own: 'vedette keys list' shows the keys there are" ;;
404) fail "the platform has no $system package for $machine: see 'Offer' in docs/packages.md" ;;
*) fail "the platform answered $status: run the line again in some minutes" ;;
esac

umask 022
case $system in
deb) dpkg --install "$package" ;;
rpm) rpm --upgrade --replacepkgs "$package" ;;
tar.gz) tar -xzf "$package" -C / ;;
esac

systemd() { [ -d /run/systemd/system ]; }
agent=/usr/lib/vedette-agent/vedette-agent
if systemd; then # an agent that runs holds its state folder
	systemctl daemon-reload
	systemctl stop vedette-agent
fi
if [ "$system" = tar.gz ] && command -v systemd-sysusers >/dev/null; then # which packages do themselves
	systemd-sysusers vedette-agent.conf
	systemd-tmpfiles --create vedette-agent.conf
fi
set -- "ServerUri=$url"
[ -z "$ca" ] || set -- "$@" "CaFile=$ca"
if ! id=$(VEDETTE_ACTIVATION_KEY=$key VEDETTE_CUSTOMER_ID=$customer "$agent" provision "$@" </dev/null); then
	if systemd; then systemctl start vedette-agent; fi # as it was before
	fail "the package is installed and the host is not registered: see the reason above, and run the line again"
fi
if systemd; then
	systemctl enable --now vedette-agent
	echo "This host is agent $id."
else
	echo "This host is agent $id. It has no systemd: let its service manager run $agent run"
fi
