using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Training;

/// <summary>The memory of <see cref="KernelCompletionPass"/> for one micro-batch, in bytes.</summary>
internal sealed class PassNeed
{
    /// <param name="model">The model's shape.</param>
    /// <param name="element">Bytes of a value.</param>
    /// <param name="options">The update rule; each token of its micro-batches has a target.</param>
    public PassNeed(ModelConfig model, int element, GrpoOptions options)
    {
        var (tokens, recompute) = (options.MicroBatchTokens, options.Recompute);
        decimal width = model.HiddenSize, vocabulary = model.VocabSize;
        var (query, gates) = ((decimal)model.HeadCount * model.HeadDim, 2m * model.IntermediateSize);
        var qkv = query + (2m * model.KvHeadCount * model.HeadDim);
        // What attention gives, the residual stream behind each half of the layer, and the log-sum-exp of each head; with
        // queries, keys and values, gate and up, unless they are computed again.
        var again = recompute == Recomputation.AttentionAndGate ? 0 : qkv + gates;
        var layer = tokens * ((element * (query + (2 * width) + again)) + ((decimal)model.HeadCount * sizeof(float)));
        var stream = tokens * element * width;
        var whole = recompute == Recomputation.Layers;
        Layers = stream + (model.LayerCount * (whole ? stream : layer));

        var chunks = new HeadChunks(model.VocabSize);
        var slopes = options.Loss.NeedsWholeCompletions ? tokens : Math.Min(chunks.SlopeRows, tokens);
        Head = (Math.Min(chunks.LogitRows, tokens) * vocabulary * sizeof(float))
            + (slopes * vocabulary * element)
            + (tokens * width * (element + sizeof(float)));

        // The pass holds so many values at once: of the residual stream's gradient, what is computed again, and gradients.
        var buffers = recompute == Recomputation.AttentionAndGate ? 4 : 3;
        var widest = Math.Max(Math.Max(width, gates), qkv);
        // Gradients of queries, keys and values, keys and values with all heads, and sums of the queries' in float32.
        var attention = (element * (qkv + (2 * query))) + (query * sizeof(float));
        Buffers = (tokens * ((buffers * element * widest) + attention + ((decimal)model.HeadDim * sizeof(float))))
            + (whole ? layer : 0);
    }

    /// <summary>What the layers keep for their gradients.</summary>
    public decimal Layers { get; }

    /// <summary>Logits, their gradients, and the states that they are of: between forward and backward pass.</summary>
    public decimal Head { get; }

    /// <summary>Values that live for a few operations, angles, and a layer that is computed again: in the passes.</summary>
    public decimal Buffers { get; }
}
