#!/bin/sh
# A job of cron, of which one runs at a time: the archive of a directory.
#
#     nightly.sh SOURCE TARGET
#
# In a crontab. The lock directory belongs to the user of the job; of a job that is still running tomorrow, there is
# a line in the log instead of a second one beside it:
#
#     LOCKUTILS_LOCK_PATH=/run/nightly
#     17 2 * * *  /usr/local/bin/nightly.sh /srv/data /srv/backup 2>&1 | logger -t nightly
#
# Who wants to do something else with TARGET takes the same lock: lockutils run nightly -- rsync ...
set -eu

# What the work must not end with, so that it can be told from a busy lock: tar has 1 of its own, as many others do.
busy=99

# Under the lock, with its fencing token, which grows from run to run: the last archive is the last by its name.
archive() {
    new=$2/.archive-$LOCKUTILS_FENCING_TOKEN
    trap 'rm -f "$new"' EXIT
    tar --create --file "$new" --directory "$1" .
    mv "$new" "$2/archive-$LOCKUTILS_FENCING_TOKEN.tar"
}

case ${1-} in
--locked)
    archive "$2" "$3"
    exit
    ;;
esac

if [ $# -ne 2 ]; then
    echo "usage: nightly.sh SOURCE TARGET" >&2
    exit 64
fi

status=0
lockutils run nightly --no-wait --conflict-exit-code "$busy" --set-env -- sh "$0" --locked "$1" "$2" || status=$?
case $status in
0)
    echo "nightly: $1 is archived"
    ;;
"$busy")
    # No failure: the other one does the work.
    echo "nightly: it is still running, nothing to do"
    ;;
*)
    # That of tar or mv, or of lockutils itself: it has said why.
    echo "nightly: failed with exit status $status" >&2
    exit "$status"
    ;;
esac
