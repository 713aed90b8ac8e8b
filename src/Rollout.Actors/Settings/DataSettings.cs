namespace Rollout.Actors.Settings;

/// <summary>Where prompts come from.</summary>
public enum DatasetType
{
    /// <summary>Generated additions.</summary>
    Arithmetic,

    /// <summary>Generated texts.</summary>
    Keyword,

    /// <summary>Files of JSON lines.</summary>
    Jsonl,
}

/// <summary>What is put around a prompt that is plain text.</summary>
public enum ChatWrapping
{
    None,

    /// <summary>One user message of the model's chat format.</summary>
    User,
}

/// <summary>The section <c>data</c>; <see cref="Type"/> says which of the others counts.</summary>
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
    /// <summary>Operands are 0 … this.</summary>
    public required int MaxOperand { get; init; }

    /// <summary>Share of all problems that is held out.</summary>
    public required double HeldOut { get; init; }

    public static ArithmeticSettings From(ConfigSection section) => new()
    {
        // All pairs of operands are counted through.
        MaxOperand = section.Whole("max-operand", Bounds.Between(1, 4095)),
        HeldOut = section.Number("held-out", Bounds.FromBelow(0, 1)),
    };
}

/// <summary>The section <c>data.keyword</c>.</summary>
public sealed record KeywordSettings
{
    /// <summary>How many short random texts there are.</summary>
    public required int Prompts { get; init; }

    /// <summary>What they are made of.</summary>
    public required string Alphabet { get; init; }

    public static KeywordSettings From(ConfigSection section) => new()
    {
        Prompts = section.Whole("prompts", Bounds.AtLeast(1)),
        Alphabet = section.NonEmptyText("alphabet"),
    };
}

/// <summary>The section <c>data.jsonl</c>.</summary>
public sealed record JsonlSettings
{
    /// <summary>A file, absolute; "" is unset.</summary>
    public required string Train { get; init; }

    /// <summary>A file, absolute; "" holds nothing out.</summary>
    public required string HeldOut { get; init; }

    public required string PromptField { get; init; }

    public required string AnswerField { get; init; }

    /// <summary>Put before every prompt text.</summary>
    public required string Prefix { get; init; }

    /// <summary>Put after every prompt text.</summary>
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
