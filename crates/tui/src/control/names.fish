
# Hosts, roles and addresses behind the verbs that take them, as the monitor has them. Nothing is
# said and nothing offered where it does not answer within a second.
function __mmm_control_names
    set -l verb
    set -l place 0
    set -l to
    set -l behind
    for word in (commandline -opc)[2..]
        switch "$verb:$word"
            case :plan
            case :set_online :set_offline :checks :doctor :explain :move_role :set_ip
                set verb $word
            case ':*'
                set -a to $word
            case '*:-*'
            case '*'
                set place (math $place + 1)
        end
    end
    if test "$verb:$place" = checks:1
        if test "$argv[1]" = which
            printf '%s\n' all ping mysql rep_threads rep_backlog
        end
        return 0
    end
    # What stands behind a name in the picture: of a host its peer, of a role what it prefers.
    switch "$verb:$place"
        case set_online:0 set_offline:0 checks:0 doctor:0 move_role:1 set_ip:1
            set behind peer
        case explain:0
            set behind 'peer|prefer'
        case move_role:0
            set behind prefer
        case set_ip:0
            set behind may_go_to
        case '*'
            return 1
    end
    # Asked by the condition, whether there are names here; by the list, which.
    if test "$argv[1]" = which
        timeout 1 mmm-control $to show --json --timeout 900ms 2>/dev/null |
            string match -ar "\"(?:name|ip)\":\"[^\"]*\",\"(?:$behind)\"" | string split -f 4 '"'
    end
end
complete -c mmm-control -n __mmm_control_names -f -a '(__mmm_control_names which)'
