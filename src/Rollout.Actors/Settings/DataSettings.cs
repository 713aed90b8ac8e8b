namespace Rollout.Actors.Settings;

/// <summary>The kinds of dataset.</summary>
public enum DatasetType
{
    /// <summary>Generated additions.</summary>
    Arithmetic,

    /// <summary>Generated prompts.</summary>
    Keyword,

    /// <summary>Files of JSON lines.</summary>
    Jsonl,
}

/// <summary>How a prompt that is a text becomes a conversation.</summary>
public enum ChatWrapping
{
    /// <summary>It does not.</summary>
    None,

    /// <summary>It becomes one user message of the model's chat format.</summary>
    User,
}

/// <summary>The section <c>data</c>; <see cref="Type"/> says which of its sections counts.</summary>
public sealed record DataSettings
{
    public required DatasetType Type { get; init; }

    public required ArithmeticSettings Arithmetic { get; init; }

    public required KeywordSettings Keyword { get; init; }

    public required JsonlSettings Jsonl { get; init; }

    public static DataSettings From(ConfigSection section)
    {
        var settings = new DataSettings
        {
            Type = section.Choice<DatasetType>("type"),
            Arithmetic = ArithmeticSettings.From(section.Section("arithmetic")),
            Keyword = KeywordSettings.From(section.Section("keyword")),
            Jsonl = JsonlSettings.From(section.Section("jsonl")),
        };
        return settings.Type != DatasetType.Jsonl || settings.Jsonl.Train.Length > 0
            ? settings
            : throw section.Section("jsonl")
                .Invalid("train", "a file of training lines, as the type of data is jsonl");
    }
}

/// <summary>The section <c>data.arithmetic</c>.</summary>
public sealed record ArithmeticSettings
{
    /// <summary>The largest operand.</summary>
    public required int MaxOperand { get; init; }

    /// <summary>The share of all problems that is held out.</summary>
    public required double HeldOut { get; init; }

    public static ArithmeticSettings From(ConfigSection section) => new()
    {
        // All pairs of operands are enumerated.
        MaxOperand = section.Whole("max-operand", Bounds.Between(1, 4095)),
        HeldOut = section.Number("held-out", Bounds.FromBelow(0, 1)),
    };
}

/// <summary>The section <c>data.keyword</c>.</summary>
public sealed record KeywordSettings
{
    /// <summary>The number of prompts.</summary>
    public required int Prompts { get; init; }

    /// <summary>The characters of the prompts.</summary>
    public required string Alphabet { get; init; }

    public static KeywordSettings From(ConfigSection section) => new()
    {
        Prompts = section.Whole("prompts", Bounds.Between(1, 1_000_000)),
        Alphabet = section.NonEmptyText("alphabet"),
    };
}

/// <summary>The section <c>data.jsonl</c>.</summary>
public sealed record JsonlSettings
{
    /// <summary>The absolute path of the training file; "" where it is not set.</summary>
    public required string Train { get; init; }

    /// <summary>The absolute path of the held-out file; "" holds no prompt out.</summary>
    public required string HeldOut { get; init; }

    /// <summary>The field of the prompt: a text, or a list of {role, content} messages.</summary>
    public required string PromptField { get; init; }

    /// <summary>The field that rewards read as "answer"; a line may lack it.</summary>
    public required string AnswerField { get; init; }

    /// <summary>Text before every prompt that is a text.</summary>
    public required string Prefix { get; init; }

    /// <summary>Text after every prompt that is a text.</summary>
    public required string Suffix { get; init; }

    public required ChatWrapping Chat { get; init; }

    public static JsonlSettings From(ConfigSection section) => new()
    {
        Train = section.Text("train"),
        HeldOut = section.Text("held-out"),
        PromptField = section.NonEmptyText("prompt-field"),
        AnswerField = section.NonEmptyText("answer-field"),
        Prefix = section.Text("prefix"),
        Suffix = section.Text("suffix"),
        Chat = section.Choice<ChatWrapping>("chat"),
    };
}
