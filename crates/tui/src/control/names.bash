
# Hosts, roles and addresses behind the verbs that take them, as the monitor has them. Nothing is
# said and nothing offered where it does not answer within a second.
_mmm__control_names() {
    _mmm__control "$@"
    local cur=${COMP_WORDS[COMP_CWORD]} line=${COMP_LINE-${COMP_WORDS[*]}} verb= place=0 word behind
    local found
    local -a words to=()
    if [[ $cur == -* ]]; then return 0; fi
    line=${line:0:${COMP_POINT:-${#line}}}
    read -ra words <<<"$line"
    # The whole word: bash cuts an IPv6 address at its colons.
    cur=
    if [[ $line != *' ' ]]; then
        cur=${words[-1]}
        unset 'words[-1]'
    fi
    for word in "${words[@]:1}"; do
        case $verb:$word in
            :plan) ;;
            :set_online | :set_offline | :checks | :doctor | :explain | :move_role | :set_ip)
                verb=$word ;;
            :*) to+=("$word") ;;
            *:-*) ;;
            *) place=$((place + 1)) ;;
        esac
    done
    # What stands behind a name in the picture: of a host its peer, of a role what it prefers.
    behind=
    case $verb:$place in
        checks:1) found='all ping mysql rep_threads rep_backlog' ;;
        set_online:0 | set_offline:0 | checks:0 | doctor:0 | move_role:1 | set_ip:1) behind=peer ;;
        explain:0) behind='peer|prefer' ;;
        move_role:0) behind=prefer ;;
        set_ip:0) behind=may_go_to ;;
        *) return 0 ;;
    esac
    if [[ $behind ]]; then
        found=$(timeout 1 mmm-control "${to[@]}" show --json --timeout 900ms 2>/dev/null |
            grep -oE "\"(name|ip)\":\"[^\"]*\",\"($behind)\"" | cut -d'"' -f4)
    fi
    found=$(compgen -W "$found" -- "$cur" || true)
    if [[ $found ]]; then
        mapfile -t COMPREPLY <<<"$found"
        if [[ ${COMP_WORDBREAKS-} == *:* ]]; then
            COMPREPLY=("${COMPREPLY[@]#"${cur%"${cur##*:}"}"}")
        fi
    fi
}
complete -o bashdefault -o default -F _mmm__control_names mmm-control
