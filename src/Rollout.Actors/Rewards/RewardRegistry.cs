using System.Reflection;
using System.Text.RegularExpressions;
using Rollout.Actors.Settings;
using Rollout.Actors.Text;

namespace Rollout.Actors.Rewards;

/// <summary>
/// Makes reward functions by their configured type: a built-in name, or the full name of a C# type in a loaded
/// assembly or in the file that the option "assembly" names. Such a type has a public constructor that takes the
/// other options as an <c>IReadOnlyDictionary&lt;string, string&gt;</c>; without options, one without parameters
/// does too.
/// </summary>
public static class RewardRegistry
{
    private const string AssemblyKey = "assembly";

    private static readonly Dictionary<string, Func<RewardOptions, int, IReward>> BuiltIns = new(StringComparer.Ordinal)
    {
        ["countdown"] = (_, _) => new CountdownReward(),
        ["exact-answer"] = (_, _) => new ExactAnswerReward(),
        ["format"] = (options, _) => new FormatReward(options.Read("pattern", (section, key) => Pattern(section, key))),
        ["gsm8k"] = (_, _) => new Gsm8kReward(),
        ["http"] = (options, _) => JudgeOptions.CreateHttp(options),
        ["keyword"] = (options, _) => new KeywordReward(options.Read("text", (section, key) => section.NonEmptyText(key))),
        ["length"] = (options, _) => new LengthReward(options.Read("target", Tokens)),
        ["math"] = (options, _) => new MathReward(options.Read("only-boxed", (section, key) => section.Bool(key), false)),
        ["overlong"] = CreateOverlong,
        ["program"] = (options, _) => JudgeOptions.CreateProgram(options),
        ["python"] = (options, _) => JudgeOptions.CreatePython(options),
        ["regex"] = (options, _) => CreateRegex(options),
    };

    /// <summary>The built-in names.</summary>
    public static string Known { get; } = string.Join(", ", BuiltIns.Keys);

    /// <summary>Makes the function.</summary>
    /// <param name="settings">Its type and options.</param>
    /// <param name="maxTokens">The most tokens of a completion.</param>
    /// <exception cref="ConfigurationException">
    /// The type is unknown or can't be loaded, or an option is missing, unknown or out of range.
    /// </exception>
    public static IReward Create(RewardSettings settings, int maxTokens)
    {
        var options = settings.Options;
        var reward = BuiltIns.TryGetValue(settings.Type, out var make)
            ? make(options, maxTokens)
            : CreateCustom(settings.Type, options);
        options.RequireAllRead();
        return reward;
    }

    private static IReward CreateCustom(string name, RewardOptions options)
    {
        var type = Find(name, options);
        if (!type.IsAssignableTo(typeof(IReward)) || type.IsAbstract)
        {
            throw options.Error(
                $"is no reward: {type.FullName} implements none of IRewardFunction, IGroupReward and IBatchReward");
        }

        var rest = options.ReadRest();
        object?[]? arguments =
            type.GetConstructor([typeof(IReadOnlyDictionary<string, string>)]) is not null ? [rest]
            : rest.Count == 0 && type.GetConstructor([]) is not null ? []
            : null;
        if (arguments is null)
        {
            throw options.Error(
                $"can't be made: {type.FullName} needs a public constructor that takes its options "
                + "(IReadOnlyDictionary<string, string>)");
        }
        try
        {
            return (IReward)Activator.CreateInstance(type, arguments)!;
        }
        catch (Exception thrown) when (thrown is TargetInvocationException or TypeInitializationException)
        {
            throw options.Error($"can't be made; its constructor says: {thrown.GetBaseException().Message}");
        }
    }

    private static Type Find(string name, RewardOptions options)
    {
        if (!options.Has(AssemblyKey))
        {
            return AppDomain.CurrentDomain.GetAssemblies()
                .Select(loaded => loaded.GetType(name))
                .FirstOrDefault(found => found is not null)
                ?? throw options.Error(Spelling.Nearest(name, BuiltIns.Keys) is { } meant
                    ? $"is unknown; did you mean {meant}?"
                    : $"is unknown; expected {Known}, or a C# type's full name with assembly = FILE");
        }
        var file = options.Read(AssemblyKey, (section, key) => section.NonEmptyText(key));
        if (!File.Exists(file))
            throw options.Error($"has no assembly: there is no file {file}");
        try
        {
            return Assembly.LoadFrom(file).GetType(name)
                ?? throw options.Error($"is unknown: {file} has no public type of that full name");
        }
        catch (Exception wrong) when (wrong is IOException or BadImageFormatException or TypeLoadException)
        {
            throw options.Error($"has no assembly: {file} can't be loaded as a .NET assembly: {wrong.Message}");
        }
    }

    private static OverlongReward CreateOverlong(RewardOptions options, int maxTokens)
    {
        var longest = options.Read("max-length", Tokens, maxTokens);
        return new OverlongReward(
            longest, options.Read("cache", (section, key) => section.Whole(key, Bounds.Between(1, longest))));
    }

    private static FormatReward CreateRegex(RewardOptions options)
    {
        var timeout = options.Read("timeout", (section, key) => section.Duration(key), BoundedRegex.Timeout);
        return new FormatReward(
            options.Read("pattern", (section, key) => Pattern(section, key, timeout)),
            options.Read("match", (section, key) => section.Number(key, Bounds.Any), 1),
            options.Read("no-match", NumberOrNone, 0));
    }

    private static double? NumberOrNone(ConfigSection section, string key) =>
        section.Text(key) == "none" ? null : section.Number(key, Bounds.Any);

    private static int Tokens(ConfigSection section, string key) => section.Whole(key, Bounds.AtLeast(1));

    private static Regex Pattern(ConfigSection section, string key, TimeSpan? timeout = null)
    {
        try
        {
            return BoundedRegex.Compile(section.NonEmptyText(key), timeout);
        }
        catch (ArgumentException wrong)
        {
            throw section.Invalid(key, $"a regular expression ({wrong.Message})");
        }
    }
}
