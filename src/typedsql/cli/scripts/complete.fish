# Completion of @program@ in fish. In ~/.config/fish/config.fish:  @program@ completion fish | source
function __@function@_completion
    set -l words (commandline -opc)
    set -lx COLUMNS 1000
    set -lx @variable@ complete_fish
    set -lx _TYPER_COMPLETE_FISH_ACTION get-args
    set -lx _TYPER_COMPLETE_ARGS (commandline -cp)
    eval (string escape -- (string replace -r '^~' $HOME -- $words[1])) 2>/dev/null
end
complete --command @program@ --no-files --condition 'test -n "$(__@function@_completion)"' \
    --arguments '(__@function@_completion)'
