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
        return Named([.. miniBatch.Samples.Index()], one => one.Item.Id.ToString(), one => IsBroken(one.Index, one.Item));

        bool IsBroken(int index, PolicySample sample)
        {
            pass.Begin();
            pass.Backward(miniBatch, new MicroBatch([index], sample.Sequence.InputLength));
            return !double.IsFinite(pass.Read().Loss) || !double.IsFinite(optimizer.GradientNorm());
        }
    }

    /// <summary>The names of the broken ones, or of all where none is broken by itself.</summary>
    /// <param name="samples">What was computed together.</param>
    /// <param name="nameOf">Names one.</param>
    /// <param name="isBroken">Computes one by itself.</param>
    public static string Named<T>(IReadOnlyList<T> samples, Func<T, string> nameOf, Func<T, bool> isBroken)
    {
        // One more than is shown tells that there are more.
        T[] broken = [.. samples.Where(isBroken).Take(Shown + 1)];
        var named = broken.Length > 0 ? broken : samples;
        var more = named.Count > Shown ? " and more" : "";
        return string.Join(", ", named.Take(Shown).Select(nameOf)) + more;
    }
}
