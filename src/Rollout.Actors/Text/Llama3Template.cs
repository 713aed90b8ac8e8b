using System.Text;

namespace Rollout.Actors.Text;

/// <summary>
/// Llama 3, <c>&lt;|start_header_id|&gt;role&lt;|end_header_id|&gt;\n\ncontent&lt;|eot_id|&gt;</c>. From 3.1 on a
/// system turn with two dates always comes first. Today's date is the template's fixed fallback, so that a prompt
/// is the same on every day of a run.
/// </summary>
internal sealed class Llama3Template : ChatTemplate
{
    private const string Dates = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n";

    private readonly string _begin;
    private readonly bool _hasDates;

    private Llama3Template(string begin, bool hasDates)
    {
        _begin = begin;
        _hasDates = hasDates;
    }

    public static Llama3Template From(string template, string? begin) =>
        new(
            begin ?? "<|begin_of_text|>",
            template.Contains("Cutting Knowledge Date", StringComparison.Ordinal));

    private protected override string Write(
        IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt, bool enableThinking)
    {
        var text = new StringBuilder(_begin);
        var first = 0;
        if (_hasDates)
        {
            var system = messages[0].Role == "system" ? messages[first++].Content.Trim() : "";
            Header(text, "system").Append(Dates).Append(system).Append("<|eot_id|>");
        }
        foreach (var message in messages.Skip(first))
            Header(text, message.Role).Append(message.Content.Trim()).Append("<|eot_id|>");
        if (addGenerationPrompt)
            Header(text, "assistant");
        return text.ToString();
    }

    private static StringBuilder Header(StringBuilder text, string role) =>
        text.Append("<|start_header_id|>").Append(role).Append("<|end_header_id|>\n\n");
}
