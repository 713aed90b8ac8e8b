using System.Text;
using System.Text.RegularExpressions;

namespace Rollout.Actors.Text;

/// <summary>
/// ChatML, <c>&lt;|im_start|&gt;role\ncontent&lt;|im_end|&gt;\n</c>: Qwen 2, 2.5 and 3, SmolLM. These models differ in
/// the default system prompt, in the opening of the assistant's turn and in Qwen3's treatment of thoughts; all three
/// are read from the literals of the template.
/// </summary>
internal sealed partial class ChatMlTemplate : ChatTemplate
{
    private const string Start = "<|im_start|>", End = "<|im_end|>\n";
    private const string ThoughtStart = "<think>", ThoughtEnd = "</think>";

    private readonly string? _defaultSystem;
    private readonly string _opening;
    private readonly bool _hasThinkingSwitch;
    private readonly bool _separatesThoughts;

    private ChatMlTemplate(
        string? defaultSystem, string opening, bool hasThinkingSwitch, bool separatesThoughts)
    {
        _defaultSystem = defaultSystem;
        _opening = opening;
        _hasThinkingSwitch = hasThinkingSwitch;
        _separatesThoughts = separatesThoughts;
    }

    public static ChatMlTemplate From(string template)
    {
        var literals = template.Replace("\\n", "\n", StringComparison.Ordinal);
        var asked = literals.LastIndexOf("add_generation_prompt", StringComparison.Ordinal);
        var ending = literals[Math.Max(0, asked)..];
        return new ChatMlTemplate(
            DefaultSystem().Match(literals) is { Success: true } system ? system.Groups[1].Value : null,
            AssistantOpening().Match(ending) is { Success: true } opening
                ? opening.Groups[1].Value
                : $"{Start}assistant\n",
            hasThinkingSwitch: literals.Contains("enable_thinking", StringComparison.Ordinal),
            separatesThoughts: literals.Contains("last_query_index", StringComparison.Ordinal));
    }

    private protected override string Write(
        IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt, bool enableThinking)
    {
        var text = new StringBuilder();
        if (_defaultSystem is not null && messages[0].Role != "system")
            text.Append(Start).Append("system\n").Append(_defaultSystem).Append(End);

        var lastQuery = LastQuery(messages);
        for (var i = 0; i < messages.Count; i++)
        {
            var (role, content) = messages[i];
            if (_separatesThoughts && role == "assistant")
                content = WithThoughts(content, last: i == messages.Count - 1, afterQuery: i > lastQuery);
            text.Append(Start).Append(role).Append('\n').Append(content).Append(End);
        }
        if (addGenerationPrompt)
            text.Append(_opening);
        if (addGenerationPrompt && _hasThinkingSwitch && !enableThinking)
            text.Append(ThoughtStart).Append("\n\n").Append(ThoughtEnd).Append("\n\n");
        return text.ToString();
    }

    private static int LastQuery(IReadOnlyList<ChatMessage> messages)
    {
        for (var i = messages.Count - 1; i >= 0; i--)
        {
            var isToolAnswer = messages[i].Content.StartsWith("<tool_response>", StringComparison.Ordinal)
                && messages[i].Content.EndsWith("</tool_response>", StringComparison.Ordinal);
            if (messages[i].Role == "user" && !isToolAnswer)
                return i;
        }
        return messages.Count - 1;
    }

    /// <summary>
    /// Qwen3's rule: the turn that answers the last query keeps its thoughts; earlier turns lose theirs.
    /// </summary>
    private static string WithThoughts(string content, bool last, bool afterQuery)
    {
        var thoughts = "";
        var firstEnd = content.IndexOf(ThoughtEnd, StringComparison.Ordinal);
        if (firstEnd >= 0)
        {
            thoughts = content[..firstEnd].TrimEnd('\n');
            var start = thoughts.LastIndexOf(ThoughtStart, StringComparison.Ordinal);
            thoughts = (start < 0 ? thoughts : thoughts[(start + ThoughtStart.Length)..]).TrimStart('\n');
            var lastEnd = content.LastIndexOf(ThoughtEnd, StringComparison.Ordinal);
            content = content[(lastEnd + ThoughtEnd.Length)..].TrimStart('\n');
        }
        return afterQuery && (last || thoughts.Length > 0)
            ? $"{ThoughtStart}\n{thoughts.Trim('\n')}\n{ThoughtEnd}\n\n{content.TrimStart('\n')}"
            : content;
    }

    [GeneratedRegex(@"<\|im_start\|>system\n([^'""{}<]+)<\|im_end\|>")]
    private static partial Regex DefaultSystem();

    [GeneratedRegex(@"(<\|im_start\|>assistant\n[^'""{}]*)['""]")]
    private static partial Regex AssistantOpening();
}
