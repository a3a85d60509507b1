#compdef @program@
# Completion of @program@ in zsh. In ~/.zshrc, after compinit:  source <(@program@ completion zsh)
_@function@_completion() {
    local line value help
    local -a closed open
    for line in "${(@f)$(env COLUMNS=1000 @variable@=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args \
            _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" ${~words[1]} 2>/dev/null)}"; do
        [[ -z $line ]] && continue
        value=${line%%$'\t'*}
        help=${${line#$value}#$'\t'}
        # key= is to be followed by its value, not by a space.
        if [[ $value == *= ]]; then
            open+=("$value")
        else
            closed+=("${value//:/\\:}${help:+:$help}")
        fi
    done
    if (( ! $#closed && ! $#open )); then
        _files
        return
    fi
    (( $#closed )) && _describe '@program@' closed
    (( $#open )) && compadd -S '' -- "${open[@]}"
    return 0
}
compdef _@function@_completion @program@
