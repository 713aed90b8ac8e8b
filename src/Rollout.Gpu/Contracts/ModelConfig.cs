namespace Rollout.Gpu.Contracts;

/// <summary>
/// The shape of a decoder-only transformer of the Llama family: Llama, Mistral, Qwen2, Qwen3.
/// Read from a Hugging Face config.json, with the defaults that transformers has for the model type.
/// </summary>
public sealed record ModelConfig
{
    /// <summary>model_type: llama, mistral, qwen2 or qwen3.</summary>
    public required string ModelType { get; init; }

    /// <summary>Tokens in the vocabulary, padding rows of the embedding included.</summary>
    public required int VocabSize { get; init; }

    public required int HiddenSize { get; init; }

    public required int IntermediateSize { get; init; }

    public required int LayerCount { get; init; }

    /// <summary>Query heads of a layer.</summary>
    public required int HeadCount { get; init; }

    /// <summary>Key and value heads of a layer; divides <see cref="HeadCount"/>.</summary>
    public required int KvHeadCount { get; init; }

    /// <summary>Even; not always <see cref="HiddenSize"/> / <see cref="HeadCount"/>.</summary>
    public required int HeadDim { get; init; }

    public required double RmsNormEps { get; init; }

    /// <summary>The embedding matrix is also the output head.</summary>
    public required bool TieWordEmbeddings { get; init; }

    public required RopeSettings Rope { get; init; }

    /// <summary>RMSNorm over each query and key head before the rotation (Qwen3).</summary>
    public required bool HasQkNorm { get; init; }

    /// <summary>q, k and v projections add a bias (Qwen2; Llama and Qwen3 with attention_bias).</summary>
    public required bool HasQkvBias { get; init; }

    /// <summary>The attention's output projection adds a bias (attention_bias, but not Qwen2).</summary>
    public required bool HasOutputBias { get; init; }

    /// <summary>gate, up and down projections add a bias (Llama with mlp_bias).</summary>
    public required bool HasMlpBias { get; init; }

    /// <summary>The longest sequence, in tokens, that the model was made for.</summary>
    public required int MaxPositionEmbeddings { get; init; }

    /// <summary>Every id that ends a sequence: those of generation_config.json, then others of config.json.</summary>
    public IReadOnlyList<int> EosTokenIds { get; init; } = [];

    public int? BosTokenId { get; init; }

    public int? PadTokenId { get; init; }

    /// <summary>The class that transformers loads this as.</summary>
    public string Architecture => ModelType switch
    {
        "llama" => "LlamaForCausalLM",
        "mistral" => "MistralForCausalLM",
        "qwen2" => "Qwen2ForCausalLM",
        _ => "Qwen3ForCausalLM",
    };
}
