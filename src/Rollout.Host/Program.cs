using Rollout.Host;
using Rollout.Host.Commands;
using Spectre.Console;

return await RolloutProgram.RunAsync(args, new CommandHandlers(), AnsiConsole.Console, Console.Error);
