using System.Text.RegularExpressions;
using Rollout.Gpu.Models;

namespace Rollout.Gpu.Adapters;

/// <summary>
/// Selects modules by name as PEFT does: a list holds whole names or their ends at a dot, a text is a regular
/// expression of the whole name, and "all-linear" means every projection but the head.
/// </summary>
internal sealed class ModuleRule
{
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(1);

    private readonly ConfigFile _file;
    private readonly string _key;
    private readonly Func<string, bool> _matches;

    private ModuleRule(ConfigFile file, string key, Func<string, bool> matches) =>
        (_file, _key, _matches) = (file, key, matches);

    /// <summary>The rule that a key's value is; null where it is absent.</summary>
    /// <exception cref="Contracts.CheckpointException">It is neither a list of texts nor a regular expression.</exception>
    public static ModuleRule? Of(ConfigFile file, string key)
    {
        if (!file.Has(key))
            return null;
        if (!file.IsText(key))
        {
            var names = file.Texts(key);
            return new ModuleRule(file, key, module => names.Any(name => IsEnd(module, name)));
        }

        var text = file.Text(key)!;
        return text.Equals("all-linear", StringComparison.OrdinalIgnoreCase)
            ? new ModuleRule(file, key, module => module.EndsWith("_proj", StringComparison.Ordinal))
            : new ModuleRule(file, key, Pattern(file, key, $@"\A(?:{text})\z").IsMatch);
    }

    /// <summary>The rule of a key of rank_pattern or alpha_pattern: a regular expression of a name or its end at a dot.</summary>
    /// <exception cref="Contracts.CheckpointException">The key is no regular expression.</exception>
    public static ModuleRule Suffix(ConfigFile file, string key) =>
        new(file, key, Pattern(file, key, $@"\A(?:.*\.)?(?:{key})\z").IsMatch);

    /// <exception cref="Contracts.CheckpointException">The regular expression takes too long.</exception>
    public bool Matches(string module)
    {
        try
        {
            return _matches(module);
        }
        catch (RegexMatchTimeoutException)
        {
            throw _file.Invalid(_key, $"is a regular expression that takes too long to match {module}");
        }
    }

    private static bool IsEnd(string module, string name) =>
        module == name || module.EndsWith($".{name}", StringComparison.Ordinal);

    private static Regex Pattern(ConfigFile file, string key, string pattern)
    {
        try
        {
            return new Regex(pattern, RegexOptions.CultureInvariant, Longest);
        }
        catch (ArgumentException)
        {
            throw file.Invalid(key, "should be a regular expression");
        }
    }
}
