# Completion of @program@ in bash. In ~/.bashrc:  source <(@program@ completion bash)
_@function@_completion() {
    local line
    local -a found=()
    while IFS= read -r line; do
        [ -n "$line" ] && found+=("${line%%$'\t'*}")
    done < <(env COLUMNS=1000 @variable@=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args \
        _TYPER_COMPLETE_ARGS="${COMP_LINE:0:COMP_POINT}" "${1/#\~/$HOME}" 2>/dev/null)
    COMPREPLY=("${found[@]}")
    # key= is to be followed by its value, not by a space.
    if [ "${#found[@]}" = 1 ] && [[ ${found[0]} == *= ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -o default -F _@function@_completion @program@
