using Rollout.Actors.Text;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;

namespace Rollout.Host.Generate;

/// <summary>What a model's folder says without its weights: enough to check every prompt before they are read.</summary>
public sealed class ModelFiles
{
    private readonly string _folder;
    private readonly Lazy<ChatTemplate> _chat;

    private ModelFiles(string folder, ModelConfig config, HuggingFaceTokenizer? tokenizer, string? whyNoTokenizer)
    {
        _folder = folder;
        _chat = new Lazy<ChatTemplate>(() => ChatTemplate.Load(folder));
        Config = config;
        Tokenizer = tokenizer;
        WhyNoTokenizer = whyNoTokenizer;
    }

    public ModelConfig Config { get; }

    /// <summary>Null where there is none, or one of a kind that is not supported: token ids do without.</summary>
    public HuggingFaceTokenizer? Tokenizer { get; }

    /// <summary>What is wrong with the tokenizer that is there; null where there is none, and nothing wrong.</summary>
    public string? WhyNoTokenizer { get; }

    /// <exception cref="InvalidDataException">The model has no chat format that is supported.</exception>
    public ChatTemplate Chat => _chat.Value;

    /// <exception cref="CheckpointException">There is no model that can be loaded.</exception>
    public static ModelFiles Read(string folder)
    {
        if (!Directory.Exists(folder))
            throw new CheckpointException($"{folder} is not a folder; expected a model with config.json and weights.");
        var config = ModelConfigReader.ReadFolder(folder);
        if (!File.Exists(Path.Combine(folder, "tokenizer.json")))
            return new ModelFiles(folder, config, tokenizer: null, whyNoTokenizer: null);
        try
        {
            return new ModelFiles(folder, config, HuggingFaceTokenizer.Load(folder), whyNoTokenizer: null);
        }
        catch (InvalidDataException cause)
        {
            return new ModelFiles(folder, config, tokenizer: null, cause.Message);
        }
    }

    /// <summary>The tokenizer, for what can't do without: the rest of the sentence says what.</summary>
    /// <exception cref="InvalidDataException">There is none.</exception>
    public HuggingFaceTokenizer RequireTokenizer(string neededFor) => Tokenizer ?? throw new InvalidDataException(
        $"{neededFor} a tokenizer, and {WhyNoTokenizer ?? $"{_folder} has no tokenizer.json"}");
}
