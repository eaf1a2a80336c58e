# Called as: sh -c SCRIPT pgtest BINARIES FOLDER SUPERUSER
set -eu
binaries=$1 folder=$2 superuser=$3

# The reader of "ready" may be gone by then; that must not end us before the server.
trap '' PIPE

# The first end that comes, of the input or of a failed start, cleans up.
trap '
	"$binaries/pg_ctl" stop -D "$folder/data" -m immediate -w >/dev/null 2>&1 || :
	cd /
	rm -rf "$folder"
' EXIT

"$binaries/initdb" -D "$folder/data" -U "$superuser" --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync >/dev/null

# Nothing here survives the tests, so nothing needs to reach the disk.
cat >>"$folder/data/postgresql.conf" <<EOF
listen_addresses = ''
unix_socket_directories = '$folder'
unix_socket_permissions = 0700
max_connections = 200
shared_buffers = 1GB
fsync = off
synchronous_commit = off
full_page_writes = off
jit = off
EOF

"$binaries/pg_ctl" start -D "$folder/data" -l "$folder/log" -w -t 60 >/dev/null </dev/null || {
	cat "$folder/log" >&2
	exit 1
}
echo ready
read -r _ || :
