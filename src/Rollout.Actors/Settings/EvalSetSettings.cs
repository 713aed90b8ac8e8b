using System.Text.RegularExpressions;

namespace Rollout.Actors.Settings;

/// <summary>An entry of the list <c>eval.sets</c>: the held-out prompts of a dataset, under a name.</summary>
/// <param name="Name">Part of the names of its metrics.</param>
/// <param name="Dataset">Its own settings; a dataset of files has no training file.</param>
public sealed partial record EvalSetSettings(string Name, DatasetSettings Dataset)
{
    /// <summary>The name of the set that the training data hold out, which no other has.</summary>
    public const string HeldOut = "held-out";

    private const string HeldOutKey = HeldOut, TrainKey = "train";

    /// <exception cref="ConfigurationException">An entry is wrong, or two have one name.</exception>
    internal static IReadOnlyList<EvalSetSettings> From(ConfigSection eval, ConfigSection data)
    {
        var sets = new List<EvalSetSettings>();
        foreach (var entry in eval.Sections("sets"))
        {
            var set = Entry(entry, data);
            if (set.Name == HeldOut || !NamePattern().IsMatch(set.Name) || sets.Exists(one => one.Name == set.Name))
            {
                throw entry.Invalid(
                    entry.Keys.Contains(DataSettings.NameKey) ? DataSettings.NameKey : DataSettings.TypeKey,
                    $"a {DataSettings.NameKey} of letters, digits, '.', '-' and '_' that no other set has, nor the held-out"
                    + $" prompts of the training data ({HeldOut})");
            }
            sets.Add(set);
        }
        return sets;
    }

    /// <summary>An entry of the list: its keys over those of its type's section in <c>data</c>.</summary>
    private static EvalSetSettings Entry(ConfigSection entry, ConfigSection data)
    {
        var type = DataSettings.TypeOf(entry);
        var merged = entry.Over(DataSettings.DefaultsOf(type, data), DataSettings.TypeKey, DataSettings.NameKey);
        var dataset = DatasetSettings.From(type, merged);
        if (dataset is FileSettings file)
        {
            if (entry.Keys.Contains(TrainKey))
                throw entry.Invalid(TrainKey, $"no training file, as a set of {HeldOutKey} prompts is only evaluated on");
            // The training data's own file is a set already.
            if (!entry.Keys.Contains(HeldOutKey) || file.HeldOut.Length == 0)
                throw new ConfigurationException($"{entry.Origin}: {entry.Path} has no {HeldOutKey}, expected {{ {HeldOutKey} = FILE }}");
            dataset = file with { Train = "" };
        }
        var name = entry.Keys.Contains(DataSettings.NameKey) ? entry.Text(DataSettings.NameKey) : ConfigSection.Written(type);
        return new EvalSetSettings(name, dataset);
    }

    [GeneratedRegex(@"\A[A-Za-z0-9._-]+\z")]
    private static partial Regex NamePattern();
}
