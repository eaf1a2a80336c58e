// Package mail sends messages by SMTP, with go-mail: Mailer is a notice.Carrier.
//
// A connection is encrypted, with STARTTLS or from its beginning, unless the
// settings say it shall not be; then no credentials are sent but to this machine.
// Every recipient gets a mail of their own, so one whom the server refuses keeps
// no other from theirs, and none sees who else got it.
//
// Limits: a connection for each message, 100 recipients, 1 MiB of answers of the
// server; addresses in ASCII; the mechanisms PLAIN, LOGIN and CRAM-MD5.
package mail
