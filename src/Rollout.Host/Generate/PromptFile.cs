using Rollout.Host.Input;

namespace Rollout.Host.Generate;

/// <summary>Reads generate's input: a JSON object a line, each a prompt.</summary>
internal static class PromptFile
{
    /// <summary>The samples that all lines of a file may ask for together.</summary>
    public const int MostSamples = 10_000_000;

    /// <summary>Reads and checks every line before anything starts.</summary>
    /// <exception cref="InvalidDataException">A line is no prompt that can be run. The message is FILE:LINE and a sentence.</exception>
    public static IReadOnlyList<PromptLine> Read(
        string path, ModelFiles model, PromptDefaults defaults, CancellationToken cancellation = default)
    {
        var reader = new PromptReader(model, defaults, cancellation);
        var prompts = new List<PromptLine>();
        var lineOfId = new Dictionary<string, int>(StringComparer.Ordinal);
        var samples = 0;
        foreach (var prompt in JsonObjectLines.Read(path, "prompts, a JSON object a line", reader.Read, cancellation))
        {
            var (id, number) = (prompt.Id.ToString(), (int)prompt.Group.Id.Value);
            if (!lineOfId.TryAdd(id, number))
            {
                throw new InvalidDataException(
                    $"{path}:{number}: id \"{JsonFields.Shorten(id)}\" is already that of line {lineOfId[id]}");
            }
            samples += prompt.Group.Samples.Length;
            if (samples > MostSamples)
            {
                throw new InvalidDataException(
                    $"{path}:{number}: the lines up to here ask for {samples} samples, and a file may ask for {MostSamples}");
            }
            prompts.Add(prompt);
        }
        return prompts.Count > 0
            ? prompts
            : throw new InvalidDataException($"{path}: is empty; expected at least one prompt");
    }
}
