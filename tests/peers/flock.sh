# Takes a lock file as shell scripts do, by flock(1): `flock.sh FILE alone|shared`. Commands and answers are those of
# `actor.py`.
file=$1
if [ "$2" = shared ]; then kind=-s; else kind=-x; fi

# take NONBLOCKING: the file is open only while it is held or waited for.
take() {
    exec 9>>"$file"
    if flock $1 "$kind" 9; then
        echo held
    else
        exec 9>&-
        echo busy
    fi
}

while read -r command; do
    case $command in
    try) take -n ;;
    wait) take ;;
    release)
        exec 9>&-
        echo released
        ;;
    esac
done
