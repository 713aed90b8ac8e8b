namespace Rollout.Actors.Settings;

/// <summary>How a prompt that is a text becomes a conversation.</summary>
public enum ChatWrapping
{
    /// <summary>It does not.</summary>
    None,

    /// <summary>It becomes one user message of the model's chat format.</summary>
    User,
}

/// <summary>The settings of one dataset, a record for each of its kinds.</summary>
public abstract record DatasetSettings
{
    internal static DatasetSettings From(DatasetType type, ConfigSection section) => type switch
    {
        DatasetType.Arithmetic => ArithmeticSettings.From(section),
        DatasetType.Keyword => KeywordSettings.From(section),
        DatasetType.Countdown => CountdownSettings.From(section),
        DatasetType.Jsonl => FileSettings.From(section, DataFormat.Jsonl),
        DatasetType.Csv => FileSettings.From(section, DataFormat.Csv),
        _ => FileSettings.From(section, DataFormat.Parquet),
    };

    /// <exception cref="ConfigurationException">A dataset of files is to be used, and names none.</exception>
    internal static void RequireFile(DatasetSettings dataset, ConfigSection section)
    {
        if (dataset is FileSettings { Train: "" } file)
        {
            throw section.Invalid(
                "train", $"a file of training prompts, as the type of data is {ConfigSection.Written(file.Format)}");
        }
    }
}

/// <summary>The section <c>data.arithmetic</c>.</summary>
public sealed record ArithmeticSettings : DatasetSettings
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
public sealed record KeywordSettings : DatasetSettings
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

/// <summary>The formats of data files.</summary>
public enum DataFormat
{
    Jsonl,
    Csv,
    Parquet,
}

/// <summary>The sections <c>data.jsonl</c>, <c>data.csv</c> and <c>data.parquet</c>.</summary>
public sealed record FileSettings : DatasetSettings
{
    /// <summary>The keys that name files, which start from the folder of the configuration.</summary>
    internal static readonly string[] PathKeys = ["train", "held-out"];

    public required DataFormat Format { get; init; }

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

    public static FileSettings From(ConfigSection section, DataFormat format) => new()
    {
        Format = format,
        Train = section.Text("train"),
        HeldOut = section.Text("held-out"),
        PromptField = section.NonEmptyText("prompt-field"),
        AnswerField = section.NonEmptyText("answer-field"),
        Prefix = section.Text("prefix"),
        Suffix = section.Text("suffix"),
        Chat = section.Choice<ChatWrapping>("chat"),
    };
}
