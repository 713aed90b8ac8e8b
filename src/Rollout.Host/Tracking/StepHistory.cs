namespace Rollout.Host.Tracking;

/// <summary>
/// The steps of a run as its plots show them, in memory that does not grow with the run: each step of a short run, and of a
/// long one the means over spans of equally many steps.
/// </summary>
internal sealed class StepHistory
{
    /// <summary>The most points; a panel has fewer pixels side by side.</summary>
    public const int Most = 1000;

    private readonly List<Span> _spans = [];
    private int _steps = 1; // of a span; a power of two

    public StepHistory(IEnumerable<StepMetrics> earlier)
    {
        foreach (var step in earlier)
            Add(step);
    }

    /// <summary>
    /// A point for each span, at its last step. Step 0, what was measured before training, is a point of its own. A value that
    /// is no finite number is in no mean.
    /// </summary>
    public IReadOnlyList<StepMetrics> Points => [.. _spans.Select(span => span.Mean())];

    /// <summary>Adds a step; steps come in order.</summary>
    public void Add(StepMetrics step)
    {
        var number = NumberOf(step.Step);
        if (_spans is not [.., var last] || last.Number != number)
            _spans.Add(last = new Span(number));
        last.Add(step);
        if (_spans.Count > Most)
            Widen();
    }

    private int NumberOf(int step) => step == 0 ? 0 : ((step - 1) / _steps) + 1;

    /// <summary>Makes one span of two.</summary>
    private void Widen()
    {
        _steps *= 2;
        Span[] former = [.. _spans];
        _spans.Clear();
        foreach (var span in former)
        {
            var number = NumberOf(span.LastStep);
            if (_spans is not [.., var last] || last.Number != number)
                _spans.Add(last = new Span(number));
            last.Add(span);
        }
    }

    private sealed class Span(int number)
    {
        private readonly OrderedDictionary<string, (double Sum, int Count)> _metrics = [];

        public int Number => number;

        public int LastStep { get; private set; }

        public void Add(StepMetrics step)
        {
            LastStep = step.Step;
            foreach (var (name, value) in step.Values)
            {
                if (double.IsFinite(value))
                    Add(name, value, 1);
            }
        }

        public void Add(Span later)
        {
            LastStep = later.LastStep;
            foreach (var (name, (sum, count)) in later._metrics)
                Add(name, sum, count);
        }

        public StepMetrics Mean() => new(
            LastStep,
            new OrderedDictionary<string, double>(
                _metrics.Select(metric => KeyValuePair.Create(metric.Key, metric.Value.Sum / metric.Value.Count))));

        private void Add(string name, double sum, int count)
        {
            var (sumSoFar, countSoFar) = _metrics.GetValueOrDefault(name);
            _metrics[name] = (sumSoFar + sum, countSoFar + count);
        }
    }
}
