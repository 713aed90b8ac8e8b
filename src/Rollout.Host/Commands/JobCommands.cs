using System.CommandLine;
using Rollout.Host.Invocation;

namespace Rollout.Host.Commands;

/// <summary>The commands that a configuration file describes: train, pretrain, host.</summary>
internal static class JobCommands
{
    public static Command Train(CommandHandler<TrainOptions> handler, CommandContext context)
    {
        var config = OptionKinds.Text("--config", "FILE", "The job; config/arithmetic.conf unless named.");
        var set = OptionKinds.Settings();
        var output = OptionKinds.Text("--out", "DIR", "The run's folder; a new one below runs unless named.");
        var resume = OptionKinds.Text("--resume", "DIR", "Go on with the run in this folder.");
        var cluster = OptionKinds.Cluster();
        var command = new Command("train", "Train a model on its own rollouts.") { config, set, output, resume, cluster };
        command.SetAction((parsed, _) => handler(
            new TrainOptions(
                parsed.GetValue(config), parsed.GetValue(set)!,
                parsed.GetValue(output), parsed.GetValue(resume), parsed.GetValue(cluster)),
            context));
        return command;
    }

    public static Command Pretrain(CommandHandler<PretrainOptions> handler, CommandContext context)
    {
        var config = OptionKinds.Required("--config", "FILE", "What to train.");
        var set = OptionKinds.Settings();
        var output = OptionKinds.Text("--out", "DIR", "The folder of the checkpoint.");
        var command = new Command("pretrain", "Train a small model to imitate examples.") { config, set, output };
        command.SetAction((parsed, _) => handler(
            new PretrainOptions(parsed.GetRequiredValue(config), parsed.GetValue(set)!, parsed.GetValue(output)),
            context));
        return command;
    }

    public static Command Host(CommandHandler<HostOptions> handler, CommandContext context)
    {
        var config = OptionKinds.Required("--config", "FILE", "The roles of this process and its cluster.");
        var set = OptionKinds.Settings();
        var output = OptionKinds.Text(
            "--out", "DIR", "A trainer's: the run's folder. It begins there, and goes on when it is started again.");
        var command = new Command("host", "Join a cluster.") { config, set, output };
        command.SetAction((parsed, _) => handler(
            new HostOptions(parsed.GetRequiredValue(config), parsed.GetValue(set)!, parsed.GetValue(output)), context));
        return command;
    }
}
