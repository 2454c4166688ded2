
# Hosts and roles behind the verbs that take them, as the monitor has them. Nothing is said and
# nothing offered where it does not answer within a second.
_mmm__control_names() {
    _mmm__control "$@"
    local cur=${COMP_WORDS[COMP_CWORD]} word before= found
    local -a words to=()
    if [[ $cur == -* ]]; then return 0; fi
    read -ra words <<<"${COMP_LINE-${COMP_WORDS[*]}}"
    for word in "${words[@]:1}"; do
        # What stands behind a name in the picture: of a host its peer, of a role what it prefers.
        case $word in
            plan) continue ;;
            set_online | set_offline | checks | doctor | set_ip) before=peer ;;
            move_role | explain) before='peer|prefer' ;;
            *) to+=("$word"); continue ;;
        esac
        break
    done
    if [[ -z $before ]]; then return 0; fi
    found=$(timeout 1 mmm-control "${to[@]}" --json --timeout 900ms show 2>/dev/null |
        grep -oE "\"name\":\"[^\"]*\",\"($before)\"" | cut -d'"' -f4)
    found=$(compgen -W "$found" -- "$cur" || true)
    if [[ $found ]]; then mapfile -t COMPREPLY <<<"$found"; fi
}
complete -o bashdefault -o default -F _mmm__control_names mmm-control
