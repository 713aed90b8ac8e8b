using System.CommandLine;
using Rollout.Host.Invocation;

namespace Rollout.Host.Commands;

/// <summary>Creates the commands of jobs: train, pretrain, sft and host, which a configuration file describes, and export.</summary>
internal static class JobCommands
{
    public static Command Train(CommandHandler<TrainOptions> handler, CommandContext context)
    {
        var config = OptionKinds.Path("--config", "FILE", "The job; without it config/arithmetic.conf.");
        var set = OptionKinds.Settings();
        var output = OptionKinds.Path("--out", "DIR", "The run's folder; without it a new one below runs.");
        var resume = OptionKinds.Path("--resume", "DIR", "Continue the run in this folder.");
        var cluster = OptionKinds.Cluster();
        var dryRun = OptionKinds.DryRun();
        var command = new Command("train", "Train a model on its own rollouts.")
        {
            config, set, output, resume, cluster, dryRun,
        };
        command.SetAction((parsed, _) => handler(
            new TrainOptions(
                parsed.GetValue(config), parsed.GetValue(set)!,
                parsed.GetValue(output), parsed.GetValue(resume), parsed.GetValue(cluster))
            {
                DryRun = parsed.GetValue(dryRun),
            },
            context));
        return command;
    }

    public static Command Pretrain(CommandHandler<PretrainOptions> handler, CommandContext context)
    {
        var config = OptionKinds.RequiredPath("--config", "FILE", "The model and the data.");
        var set = OptionKinds.Settings();
        var output = OptionKinds.Path("--out", "DIR", "The folder of the new model.");
        var command = new Command("pretrain", "Train a new model on examples, for train to start from.") { config, set, output };
        command.SetAction((parsed, _) => handler(
            new PretrainOptions(parsed.GetRequiredValue(config), parsed.GetValue(set)!, parsed.GetValue(output)),
            context));
        return command;
    }

    public static Command Sft(CommandHandler<SftOptions> handler, CommandContext context)
    {
        var config = OptionKinds.Path("--config", "FILE", "The model, the data and the section sft; not needed with --resume.");
        var set = OptionKinds.Settings();
        var output = OptionKinds.Path("--out", "DIR", "The run's folder; without it a new one below runs.");
        var resume = OptionKinds.Path("--resume", "DIR", "Continue the run in this folder.");
        var command = new Command("sft", "Fine-tune a model on prompts and answers, for train to start from.")
        {
            config, set, output, resume,
        };
        command.SetAction((parsed, _) => handler(
            new SftOptions(
                parsed.GetValue(config), parsed.GetValue(set)!, parsed.GetValue(output), parsed.GetValue(resume)),
            context));
        return command;
    }

    public static Command Export(CommandHandler<ExportOptions> handler, CommandContext context)
    {
        var model = OptionKinds.RequiredPath("--model", "DIR", "The model that the adapter was trained on.");
        var adapter = OptionKinds.RequiredPath("--adapter", "DIR", "A LoRA adapter: of PEFT, or a checkpoint of a run.");
        var output = OptionKinds.RequiredPath("--out", "DIR", "The folder of the merged model.");
        var command = new Command("export", "Merge a LoRA adapter into its model.") { model, adapter, output };
        command.SetAction((parsed, _) => handler(
            new ExportOptions(
                parsed.GetRequiredValue(model), parsed.GetRequiredValue(adapter), parsed.GetRequiredValue(output)),
            context));
        return command;
    }

    public static Command Host(CommandHandler<HostOptions> handler, CommandContext context)
    {
        var config = OptionKinds.RequiredPath("--config", "FILE", "The roles of this process and its cluster.");
        var set = OptionKinds.Settings();
        var output = OptionKinds.Path(
            "--out", "DIR", "For a trainer: the run's folder; a restarted process continues it.");
        var command = new Command("host", "Run a member of a cluster: a scheduler, a decoder or a trainer.") { config, set, output };
        command.SetAction((parsed, _) => handler(
            new HostOptions(parsed.GetRequiredValue(config), parsed.GetValue(set)!, parsed.GetValue(output)), context));
        return command;
    }
}
