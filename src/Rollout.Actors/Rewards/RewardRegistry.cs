using System.Globalization;
using System.Reflection;
using Rollout.Actors.Settings;

namespace Rollout.Actors.Rewards;

/// <summary>
/// Makes reward functions by their configured type: a built-in name, or the full name of a C# type in a loaded
/// assembly or in the file that the option "assembly" names. Such a type has a public constructor that takes the
/// other options as an <c>IReadOnlyDictionary&lt;string, string&gt;</c>; without options, one without parameters
/// does too.
/// </summary>
public static class RewardRegistry
{
    private static readonly Dictionary<string, BuiltIn> BuiltIns = new(StringComparer.Ordinal)
    {
        ["exact-answer"] = new([], _ => new ExactAnswerReward()),
        ["keyword"] = new(["text"], options => new KeywordReward(options["text"])),
        ["length"] = new(["target"], options => new LengthReward(Tokens(options["target"]))),
        ["gsm8k"] = new([], _ => new Gsm8kReward()),
        ["format"] = new(["pattern"], options => new FormatReward(options["pattern"])),
    };

    /// <summary>The built-in names, each with the options that it needs in brackets.</summary>
    public static string Known { get; } = string.Join(", ", BuiltIns.Select(known =>
        known.Value.Options is [] ? known.Key : $"{known.Key} ({string.Join(", ", known.Value.Options)})"));

    /// <summary>Makes the function.</summary>
    /// <param name="type">The configured type.</param>
    /// <param name="options">Its other keys but weight.</param>
    /// <exception cref="ArgumentException">
    /// The type is unknown or can't be loaded, or an option is missing, unknown or out of range.
    /// </exception>
    public static IRewardFunction Create(string type, IReadOnlyDictionary<string, string> options)
    {
        try
        {
            return BuiltIns.TryGetValue(type, out var builtIn)
                ? builtIn.Create(type, options)
                : CreateCustom(type, options);
        }
        catch (ArgumentException wrong) when (!wrong.Message.StartsWith("reward ", StringComparison.Ordinal))
        {
            throw new ArgumentException($"reward {type}: {wrong.Message}", wrong);
        }
    }

    private static IRewardFunction CreateCustom(string name, IReadOnlyDictionary<string, string> options)
    {
        var type = Find(name, options.GetValueOrDefault(RewardSettings.AssemblyKey));
        if (!type.IsAssignableTo(typeof(IRewardFunction)) || type.IsAbstract)
            throw new ArgumentException(
                $"reward {name}: {type.FullName} is not a class that implements IRewardFunction");

        var rest = options.Where(option => option.Key != RewardSettings.AssemblyKey).ToDictionary();
        object?[]? arguments =
            type.GetConstructor([typeof(IReadOnlyDictionary<string, string>)]) is not null ? [rest]
            : rest.Count == 0 && type.GetConstructor([]) is not null ? []
            : null;
        if (arguments is null)
            throw new ArgumentException(
                $"reward {name}: {type.FullName} needs a public constructor that takes its options "
                + "(IReadOnlyDictionary<string, string>)");
        try
        {
            return (IRewardFunction)Activator.CreateInstance(type, arguments)!;
        }
        catch (Exception thrown) when (thrown is TargetInvocationException or TypeInitializationException)
        {
            var cause = thrown.GetBaseException();
            throw new ArgumentException($"reward {name}: its constructor says: {cause.Message}", cause);
        }
    }

    private static Type Find(string name, string? file)
    {
        if (file is null)
        {
            return AppDomain.CurrentDomain.GetAssemblies()
                .Select(loaded => loaded.GetType(name))
                .FirstOrDefault(found => found is not null)
                ?? throw new ArgumentException(
                    $"reward {name} is unknown; expected {Known}, or a C# type's full name with assembly = FILE");
        }
        if (!File.Exists(file))
        {
            throw new ArgumentException(
                $"reward {name}: there is no file {file}; expected the assembly with the reward");
        }
        try
        {
            return Assembly.LoadFrom(file).GetType(name)
                ?? throw new ArgumentException($"reward {name}: {file} has no public type of that full name");
        }
        catch (Exception wrong) when (wrong is IOException or BadImageFormatException or TypeLoadException)
        {
            throw new ArgumentException(
                $"reward {name}: {file} can't be loaded as a .NET assembly: {wrong.Message}", wrong);
        }
    }

    private static int Tokens(string value) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var tokens) && tokens >= 1
            ? tokens
            : throw new ArgumentException($"target must be a number of tokens from 1, not \"{value}\"");

    /// <summary>A built-in reward. All of its options must be given.</summary>
    private sealed record BuiltIn(
        string[] Options, Func<IReadOnlyDictionary<string, string>, IRewardFunction> Make)
    {
        public IRewardFunction Create(string name, IReadOnlyDictionary<string, string> options)
        {
            if (Array.Find(Options, option => !options.ContainsKey(option)) is { } missing)
                throw new ArgumentException($"reward {name} needs the option {missing}");
            if (options.Keys.FirstOrDefault(option => !Options.Contains(option)) is { } unknown)
                throw new ArgumentException(Options is []
                    ? $"reward {name} takes no options, but {unknown} is given"
                    : $"reward {name} takes {string.Join(", ", Options)}, but {unknown} is given");
            return Make(options);
        }
    }
}
