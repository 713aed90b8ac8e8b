using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Models;

/// <summary>Maps Hugging Face's tensor names to the model's parameters.</summary>
internal static class CheckpointTensors
{
    public const string TiedHead = "lm_head.weight";

    public static IEnumerable<CheckpointTensor> Of(CausalLm model)
    {
        var stack = model.Stack;
        IEnumerable<CheckpointTensor> tensors =
        [
            .. Projection("model", stack.EmbedTokens, ("embed_tokens", model.Config.VocabSize)),
            .. stack.Layers.SelectMany((layer, index) =>
                OfLayer(model.Config, layer, $"model.layers.{index}")),
            Norm("model.norm", stack.Norm),
        ];
        return model.Head is { } head
            ? tensors.Concat(Projection("", head, ("lm_head", model.Config.VocabSize)))
            : tensors;
    }

    private static IEnumerable<CheckpointTensor> OfLayer(
        ModelConfig config, DecoderLayer layer, string prefix)
    {
        var queryRows = config.HeadCount * config.HeadDim;
        var keyRows = config.KvHeadCount * config.HeadDim;
        return
        [
            Norm($"{prefix}.input_layernorm", layer.InputNorm),
            .. Projection($"{prefix}.self_attn", layer.Attention.QkvProj,
                ("q_proj", queryRows), ("k_proj", keyRows), ("v_proj", keyRows)),
            .. QkNorms($"{prefix}.self_attn", config.HeadDim, layer.Attention.QkNorm),
            .. Projection($"{prefix}.self_attn", layer.Attention.OProj, ("o_proj", config.HiddenSize)),
            Norm($"{prefix}.post_attention_layernorm", layer.PostAttentionNorm),
            .. Projection($"{prefix}.mlp", layer.Mlp.GateUpProj,
                ("gate_proj", config.IntermediateSize), ("up_proj", config.IntermediateSize)),
            .. Projection($"{prefix}.mlp", layer.Mlp.DownProj, ("down_proj", config.HiddenSize)),
        ];
    }

    private static IEnumerable<CheckpointTensor> Projection(
        string prefix, Projection stacked, params (string Name, int Rows)[] parts)
    {
        var inputs = stacked.Weight.shape[1];
        var first = 0L;
        foreach (var (part, rows) in parts)
        {
            var name = prefix.Length == 0 ? part : $"{prefix}.{part}";
            yield return new CheckpointTensor(
                $"{name}.weight", [rows, inputs], WeightKind.Matrix, stacked.Weight, first, rows);
            if (stacked.Bias is { } bias)
                yield return new CheckpointTensor($"{name}.bias", [rows], WeightKind.Bias, bias, first, rows);
            first += rows;
        }
    }

    private static CheckpointTensor Norm(string name, RmsNorm norm)
    {
        var size = norm.Weight.shape[0];
        return new CheckpointTensor($"{name}.weight", [size], WeightKind.Norm, norm.Weight, 0, size);
    }

    private static IEnumerable<CheckpointTensor> QkNorms(string prefix, int headDim, QkNorm? norm)
    {
        if (norm is null)
            yield break;
        foreach (var (row, name) in new[] { "q_norm", "k_norm" }.Index())
        {
            yield return new CheckpointTensor(
                $"{prefix}.{name}.weight", [headDim], WeightKind.Norm, norm.Weight, row, 1);
        }
    }
}
