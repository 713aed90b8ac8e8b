using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;
using Rollout.Actors.Settings;

namespace Rollout.Host.Commands;

/// <summary>Creates options of the command line whose errors are sentences that name the expected value.</summary>
internal static class OptionKinds
{
    /// <summary>The path of a file or folder.</summary>
    public static Option<string?> Path(string name, string helpName, string description) => new(name)
    {
        HelpName = helpName,
        Description = description,
        CustomParser = result => Checked(result, name, "a path", text => (text.Length > 0, text)),
    };

    public static Option<string> RequiredPath(string name, string helpName, string description)
    {
        var option = Path(name, helpName, description)!;
        option.Required = true;
        return option!;
    }

    /// <summary>A text of at least one character.</summary>
    public static Option<string?> Text(string name, string helpName, string description) => new(name)
    {
        HelpName = helpName,
        Description = description,
        CustomParser = result => Checked(result, name, "a text of at least one character", text => (text.Length > 0, text)),
    };

    /// <summary>An option that may be given several times.</summary>
    public static Option<string[]> Texts(string name, string helpName, string description) => new(name)
    {
        HelpName = helpName,
        Description = description,
        Arity = ArgumentArity.OneOrMore,
        DefaultValueFactory = _ => [],
    };

    public static Option<string[]> Settings()
    {
        var option = Texts("--set", "key=value", "Set a key of the configuration, in place of the file's value.");
        option.Validators.Add(result =>
        {
            foreach (var token in result.Tokens.Where(token => token.Value.IndexOf('=') < 1))
                result.AddError($"--set takes key=value, got '{token.Value}'.");
        });
        return option;
    }

    public static Option<string?> Cluster() => new("--cluster")
    {
        HelpName = "HOST:PORT[,…]",
        Description = "Addresses of a running cluster; its decoders sample.",
        CustomParser = result => Checked(
            result, "--cluster", "host:port, or several of them with commas between",
            text => (text.Split(',').All(part => NodeAddress.TryParse(part, out _)), text)),
    };

    public static Option<bool> DryRun() =>
        new("--dry-run") { Description = "Say what memory training will take, and with which settings less; train nothing." };

    public static Option<string?> OneOf(string name, string description, params string[] values)
    {
        var option = new Option<string?>(name)
        {
            HelpName = string.Join('|', values),
            Description = description,
            CustomParser = result => Checked(
                result, name, string.Join(", ", values[..^1]) + " or " + values[^1], text => (values.Contains(text), text)),
        };
        option.CompletionSources.Add(values);
        return option;
    }

    public static Option<string?> Device() => new("--device")
    {
        HelpName = "cpu|cuda[:i]",
        Description = "The device that the model runs on (default: cpu).",
        CustomParser = result => Checked(result, "--device", "cpu, cuda or cuda:i", text => (IsDevice(text), text)),
    };

    /// <summary>A number between bounds. <c>range</c> words them where "from … to …" would be wrong.</summary>
    public static Option<T?> Number<T>(string name, string description, T least, T? most = null, string? range = null)
        where T : struct, INumber<T>, IMinMaxValue<T>
    {
        var whole = typeof(T) != typeof(double);
        var expected = (whole ? "a whole number " : "a number ")
            + (range ?? (most is null && !whole ? $"of at least {least}" : $"from {least} to {most ?? T.MaxValue}"));
        return new(name)
        {
            HelpName = whole ? "N" : "X",
            Description = description,
            CustomParser = result => Checked(result, name, expected, text => (
                T.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value)
                    && value >= least && value <= (most ?? T.MaxValue),
                (T?)value)),
        };
    }

    private static T? Checked<T>(ArgumentResult result, string name, string expected, Func<string, (bool, T?)> read)
    {
        var text = result.Tokens[0].Value;
        var (good, value) = read(text);
        if (good)
            return value;
        result.AddError($"{name} is '{text}', expected {expected}.");
        return default;
    }

    private static bool IsDevice(string text) =>
        text is "cpu" or "cuda"
        || (text.StartsWith("cuda:", StringComparison.Ordinal)
            && int.TryParse(text.AsSpan(5), NumberStyles.None, CultureInfo.InvariantCulture, out _));
}
