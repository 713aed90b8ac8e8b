using System.CommandLine;
using Rollout.Host.Invocation;

namespace Rollout.Host.Commands;

/// <summary>Creates the command completion, which prints a script. The script asks the program what may come next.</summary>
internal static class CompletionCommand
{
    private const string Bash = """
        _rollout() {
          local line="${COMP_LINE#* }" at=$((COMP_POINT - ${#COMP_WORDS[0]} - 1))
          COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" "[suggest:$at]" "$line" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -o default -F _rollout rollout
        """;

    private const string Fish = """
        function __rollout_complete
          set -l line (commandline -cp | string replace -r '^\S+ ?' '')
          rollout "[suggest:"(string length -- "$line")"]" "$line" 2>/dev/null
        end
        complete -c rollout -a '(__rollout_complete)'
        """;

    private static readonly Dictionary<string, string> Scripts = new()
    {
        ["bash"] = Bash,
        ["zsh"] = $"autoload -U +X bashcompinit && bashcompinit\n{Bash}",
        ["fish"] = Fish,
    };

    public static Command Create(CommandContext context)
    {
        var shell = new Argument<string>("SHELL") { Description = "bash, zsh or fish." };
        shell.AcceptOnlyFromAmong([.. Scripts.Keys]);
        var command = new Command("completion", "Print a script that completes commands and options in a shell.") { shell };
        command.SetAction((parsed, _) =>
        {
            context.Output.WriteLine(Scripts[parsed.GetRequiredValue(shell)]);
            return Task.FromResult(ExitCodes.Ok);
        });
        return command;
    }
}
