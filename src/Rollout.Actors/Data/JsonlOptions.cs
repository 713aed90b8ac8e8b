using Rollout.Actors.Text;

namespace Rollout.Actors.Data;

/// <summary>How prompts are read from files of JSON lines.</summary>
public sealed record JsonlOptions
{
    /// <summary>The training file.</summary>
    public required string TrainPath { get; init; }

    /// <summary>The held-out file; empty holds none out.</summary>
    public string HeldOutPath { get; init; } = "";

    /// <summary>The field with the prompt: text, or a list of {role, content} messages.</summary>
    public string PromptField { get; init; } = "prompt";

    /// <summary>The field that rewards find as "answer"; a line may lack it.</summary>
    public string AnswerField { get; init; } = "answer";

    /// <summary>Put before and after every prompt that is text; messages are taken as they are.</summary>
    public string Prefix { get; init; } = "";

    /// <inheritdoc cref="Prefix"/>
    public string Suffix { get; init; } = "";

    /// <summary>The model's chat format with the assistant's turn opened; null where it has none.</summary>
    public Func<IReadOnlyList<ChatMessage>, string>? FormatChat { get; init; }

    /// <summary>Put a prompt that is text into one user message of the chat format.</summary>
    public bool TextIsUserMessage { get; init; }
}
