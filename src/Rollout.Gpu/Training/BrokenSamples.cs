namespace Rollout.Gpu.Training;

/// <summary>
/// Names the completions that make the loss or the gradient of a mini-batch infinite or NaN. The weights have not
/// changed, so computing each completion by itself shows which it is.
/// </summary>
internal static class BrokenSamples
{
    private const int Shown = 8;

    /// <summary>Their names, or those of all completions where none is broken by itself.</summary>
    /// <param name="miniBatch">What was computed.</param>
    /// <param name="pass">Computes it again; its sums are lost.</param>
    /// <param name="optimizer">Its gradients are lost.</param>
    public static string In(MiniBatch miniBatch, PolicyPass pass, AdamW optimizer)
    {
        var samples = miniBatch.Samples;
        // One more than is shown tells that there are more.
        PolicySample[] broken =
        [
            .. samples.Where((sample, i) => IsBroken(i, sample.Sequence.InputLength)).Take(Shown + 1),
        ];
        var named = broken.Length > 0 ? broken : samples;
        var more = named.Count > Shown ? " and more" : "";
        return string.Join(", ", named.Take(Shown).Select(sample => sample.Id)) + more;

        bool IsBroken(int index, int width)
        {
            pass.Begin();
            pass.Backward(miniBatch, new MicroBatch([index], width));
            return !double.IsFinite(pass.Read().Loss) || !double.IsFinite(optimizer.GradientNorm());
        }
    }
}
