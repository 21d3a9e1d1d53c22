# bash completion for feedwatch.  Commands and options are asked of the program itself, so
# that they are those of the version that is installed.

_feedwatch_commands()
{
    "$1" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\)  *[^ ].*/\1/p'
}

# The options of a command: "-c, --config FILE   text" gives "-c" and "--config".
_feedwatch_options()
{
    "$1" "$2" --help 2>/dev/null | sed -n 's/^ \{2,6\}\(-[^ ]*\)\(,\{0,1\} \{1,\}\(--[a-z-]*\)\)\{0,1\}.*/\1 \3/p' | tr -d ','
}

_feedwatch()
{
    local program=${COMP_WORDS[0]} cur=${COMP_WORDS[COMP_CWORD]} words=
    local prev=
    [ "$COMP_CWORD" -gt 0 ] && prev=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()

    if [ "$COMP_CWORD" -eq 1 ]; then
        words="$(_feedwatch_commands "$program") --help --version"
    else
        case $prev in
        --log-level) words="error warn notice info debug" ;;
        -c | --config)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -d -- "$cur"; compgen -f -X '!*.ini' -- "$cur")
            return
            ;;
        --state)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -d -- "$cur")
            return
            ;;
        esac
        if [ -z "$words" ]; then
            case $cur in
            -*) words=$(_feedwatch_options "$program" "${COMP_WORDS[1]}") ;;
            *)
                compopt -o filenames 2>/dev/null
                mapfile -t COMPREPLY < <(compgen -f -- "$cur")
                return
                ;;
            esac
        fi
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _feedwatch feedwatch
