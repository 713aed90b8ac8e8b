using Rollout.Actors.Text;

namespace Rollout.Actors.Data;

/// <summary>Tells <see cref="JsonlDataset"/> how to read prompts from files of JSON lines.</summary>
public sealed record JsonlOptions
{
    /// <summary>The training file.</summary>
    public required string TrainPath { get; init; }

    /// <summary>The held-out file; empty holds no prompt out.</summary>
    public string HeldOutPath { get; init; } = "";

    /// <summary>The field of the prompt: a text, or a list of {role, content} messages.</summary>
    public string PromptField { get; init; } = "prompt";

    /// <summary>The field that rewards read as "answer"; a line may lack it.</summary>
    public string AnswerField { get; init; } = "answer";

    /// <summary>Text before and after every prompt that is a text; messages stay as they are.</summary>
    public string Prefix { get; init; } = "";

    /// <inheritdoc cref="Prefix"/>
    public string Suffix { get; init; } = "";

    /// <summary>The model's chat format with the assistant's turn opened; null if it has none.</summary>
    public Func<IReadOnlyList<ChatMessage>, string>? FormatChat { get; init; }

    /// <summary>True puts a prompt that is a text into one user message of the chat format.</summary>
    public bool TextIsUserMessage { get; init; }
}
