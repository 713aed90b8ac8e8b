using Rollout.Host;
using Rollout.Host.Invocation;
using Spectre.Console;

var live = new LiveArea(AnsiConsole.Console);
if (!Console.IsErrorRedirected)
    Console.SetError(live.Above(Console.Error)); // the same terminal; Akka's log is written there too
return await RolloutProgram.RunAsync(args, RolloutProgram.Commands, live, Console.Error);
