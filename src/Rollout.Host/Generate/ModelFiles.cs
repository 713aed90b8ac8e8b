using Rollout.Actors.Text;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;

namespace Rollout.Host.Generate;

/// <summary>A model's folder without its weights: enough to check every prompt before the weights are read.</summary>
internal sealed class ModelFiles
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

    /// <summary>Null where the folder has no supported tokenizer; prompts of token ids need none.</summary>
    public HuggingFaceTokenizer? Tokenizer { get; }

    /// <summary>Why the folder's tokenizer can't be used; null where it can, and where there is none.</summary>
    public string? WhyNoTokenizer { get; }

    /// <summary>The chat format, read when it is first needed.</summary>
    /// <exception cref="InvalidDataException">The model has no supported chat format.</exception>
    public ChatTemplate Chat => _chat.Value;

    /// <exception cref="CheckpointException">The folder holds no model that can be loaded.</exception>
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

    /// <param name="neededFor">The beginning of the error's sentence, such as "--stop needs".</param>
    /// <exception cref="InvalidDataException">There is no tokenizer that can be used.</exception>
    public HuggingFaceTokenizer RequireTokenizer(string neededFor) => Tokenizer ?? throw new InvalidDataException(
        $"{neededFor} a tokenizer, and {WhyNoTokenizer ?? $"{_folder} has no tokenizer.json"}");
}
