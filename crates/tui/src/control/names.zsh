# Hosts, roles and addresses, as the monitor has them. Nothing is said and nothing offered where it
# does not answer within a second.
_mmm_control_names() {
    local behind word
    local -a to found
    # What stands behind a name in the picture: of a host its peer, of a role what it prefers.
    case $words[1]:$1 in
        (explain:*) behind='peer|prefer' ;;
        (*:host) behind=peer ;;
        (*:role) behind=prefer ;;
        (*:ip) behind=may_go_to ;;
    esac
    for word in "${before[@]}"; do
        [[ $word == (plan|$words[1]) ]] && break
        to+=("$word")
    done
    found=(${(f)"$(timeout 1 mmm-control "${to[@]}" show --json --timeout 900ms 2>/dev/null |
        grep -oE "\"(name|ip)\":\"[^\"]*\",\"($behind)\"" | cut -d'"' -f4)"})
    (( $#found )) && compadd -a found
}
