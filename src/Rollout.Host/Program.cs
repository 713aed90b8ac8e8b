using Rollout.Host;
using Rollout.Host.Commands;
using Rollout.Host.Jobs;
using Spectre.Console;

var handlers = new CommandHandlers
{
    Train = TrainJob.RunAsync,
    Pretrain = PretrainJob.RunAsync,
    Generate = GenerateJob.RunAsync,
    Bench = BenchJob.RunAsync,
};
return await RolloutProgram.RunAsync(args, handlers, AnsiConsole.Console, Console.Error);
