#!/bin/sh
# After installing or upgrading. The service stays disabled until the operator
# has provisioned the host and enables it; one that runs goes on with the new
# version. Where there is no systemd, also not to be started later, the agent runs
# as whoever starts it.
set -e
command -v systemd-sysusers >/dev/null || exit 0
systemd-sysusers vedette-agent.conf
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	# An agent of an older version, which ran as root, must not write meanwhile.
	state=$(systemctl show --property=ActiveState --value vedette-agent.service)
	systemctl stop vedette-agent.service
fi
systemd-tmpfiles --create vedette-agent.conf
case ${state:-} in
active | activating) systemctl start vedette-agent.service ;;
esac
