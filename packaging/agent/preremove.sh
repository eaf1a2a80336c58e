#!/bin/sh
# Before removing; an upgrade comes here too. Debian says "remove", RPM 0.
set -e
case $1 in
remove | 0) ;;
*) exit 0 ;;
esac
[ -d /run/systemd/system ] || exit 0
systemctl disable --now vedette-agent.service
