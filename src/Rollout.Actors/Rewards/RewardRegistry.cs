using System.Globalization;
using System.Reflection;

namespace Rollout.Actors.Rewards;

/// <summary>
/// Makes reward functions by their configured type: a built-in name, or a C# type in a loaded assembly or in
/// the file that the option "assembly" names. Such a type has a public constructor that takes the other
/// options as an <c>IReadOnlyDictionary&lt;string, string&gt;</c>, or one without parameters if there are
/// none.
/// </summary>
public static class RewardRegistry
{
    private const string AssemblyOption = "assembly";

    private static readonly Dictionary<string, BuiltIn> BuiltIns = new(StringComparer.Ordinal)
    {
        ["exact-answer"] = new([], _ => new ExactAnswerReward()),
        ["keyword"] = new(["text"], options => new KeywordReward(options["text"])),
        ["length"] = new(["target"], options => new LengthReward(Tokens(options["target"]))),
        ["gsm8k"] = new([], _ => new Gsm8kReward()),
        ["format"] = new(["pattern"], options => new FormatReward(options["pattern"])),
    };

    /// <summary>The built-in names and, in brackets, the options that each needs.</summary>
    public static string Known { get; } = string.Join(", ", BuiltIns.Select(known =>
        known.Value.Options is [] ? known.Key : $"{known.Key} ({string.Join(", ", known.Value.Options)})"));

    /// <summary>Makes the function.</summary>
    /// <param name="type">The configured type.</param>
    /// <param name="options">Its other keys but weight.</param>
    /// <param name="baseFolder">What a relative assembly path is relative to; the working folder if
    /// absent.</param>
    /// <exception cref="ArgumentException">The type is unknown or an option is missing, unknown or out of
    /// range.</exception>
    public static IRewardFunction Create(
        string type, IReadOnlyDictionary<string, string> options, string? baseFolder = null)
    {
        try
        {
            return BuiltIns.TryGetValue(type, out var builtIn)
                ? builtIn.Create(type, options)
                : CreateCustom(type, options, baseFolder ?? Environment.CurrentDirectory);
        }
        catch (ArgumentException wrong) when (!wrong.Message.StartsWith("reward ", StringComparison.Ordinal))
        {
            throw new ArgumentException($"reward {type}: {wrong.Message}", wrong);
        }
    }

    private static IRewardFunction CreateCustom(
        string name, IReadOnlyDictionary<string, string> options, string baseFolder)
    {
        var type = Find(name, options.GetValueOrDefault(AssemblyOption), baseFolder);
        if (!type.IsAssignableTo(typeof(IRewardFunction)) || type.IsAbstract)
            throw new ArgumentException(
                $"reward {name}: {type.FullName} is no class that implements IRewardFunction");

        var rest = options.Where(option => option.Key != AssemblyOption).ToDictionary();
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
        catch (TargetInvocationException thrown) when (thrown.InnerException is { } cause)
        {
            throw new ArgumentException($"reward {name}: its constructor says: {cause.Message}", cause);
        }
    }

    private static Type Find(string name, string? assembly, string baseFolder)
    {
        if (assembly is not null)
        {
            var path = Path.GetFullPath(assembly, baseFolder);
            return Load(name, path).GetType(name)
                ?? throw new ArgumentException($"reward {name}: {path} has no public type of that full name");
        }
        return AppDomain.CurrentDomain.GetAssemblies()
            .Select(loaded => loaded.GetType(name))
            .FirstOrDefault(found => found is not null)
            ?? throw new ArgumentException(
                $"reward {name} is unknown; known are {Known}, and a C# type's full name with "
                + "assembly = FILE");
    }

    private static Assembly Load(string name, string path)
    {
        try
        {
            return Assembly.LoadFrom(path);
        }
        catch (Exception wrong) when (wrong is IOException or BadImageFormatException)
        {
            throw new ArgumentException($"reward {name}: {path} is no assembly that can be loaded", wrong);
        }
    }

    private static int Tokens(string value) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var tokens) && tokens >= 1
            ? tokens
            : throw new ArgumentException($"target must be a number of tokens from 1, not \"{value}\"");

    /// <summary>A reward that comes with the product; all of its options must be given.</summary>
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
