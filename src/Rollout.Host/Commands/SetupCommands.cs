using System.CommandLine;
using Rollout.Host.Invocation;

namespace Rollout.Host.Commands;

/// <summary>Creates the commands around a job file: init, config and doctor.</summary>
internal static class SetupCommands
{
    public static Command Init(CommandHandler<InitOptions> handler, CommandContext context)
    {
        var file = new Argument<string>("FILE") { Description = "The new job file.", DefaultValueFactory = _ => "job.conf" };
        var force = new Option<bool>("--force") { Description = "Replace a file that is there." };
        var command = new Command("init", "Write a commented job file to start from.") { file, force };
        command.SetAction((parsed, _) => handler(new InitOptions(parsed.GetRequiredValue(file), parsed.GetValue(force)), context));
        return command;
    }

    public static Command Config(CommandHandler<ConfigOptions> handler, CommandContext context)
    {
        var config = OptionKinds.Path("--config", "FILE", "The job; without it config/arithmetic.conf.");
        var set = OptionKinds.Settings();
        var changed = new Option<bool>("--changed") { Description = "Leave out what nobody has set." };
        var json = Json("key");
        var command = new Command("config", "Print every setting of a job, and where its value is written.")
        {
            config, set, changed, json,
        };
        command.SetAction((parsed, _) => handler(
            new ConfigOptions(
                parsed.GetValue(config), parsed.GetValue(set)!, parsed.GetValue(changed), parsed.GetValue(json)),
            context));
        return command;
    }

    public static Command Doctor(CommandHandler<DoctorOptions> handler, CommandContext context)
    {
        var config = OptionKinds.Path("--config", "FILE", "Also check the device, ports and certificates of this file.");
        var set = OptionKinds.Settings();
        var json = Json("check");
        var command = new Command("doctor", "Check what a run needs of this machine, and say what to do.") { config, set, json };
        command.SetAction((parsed, _) => handler(
            new DoctorOptions(parsed.GetValue(config), parsed.GetValue(set)!, parsed.GetValue(json)), context));
        return command;
    }

    private static Option<bool> Json(string what) => new("--json") { Description = $"Print a JSON object a {what}." };
}
