using Rollout.Host;
using Spectre.Console;

return await RolloutProgram.RunAsync(args, RolloutProgram.Commands, AnsiConsole.Console, Console.Error);
