    # Where the monitor is stands before the verb.
    local -a before=("${(@Q)words[2,-1]}")
    # What was generated takes the name of a cluster for the verb.
    if [[ $words[CURRENT] != @* ]]; then
        (( CURRENT -= ${(M)#words:#@*} ))
        words=("${(@)words:#@*}")
    fi
