using Microsoft.Win32.SafeHandles;

namespace Rollout.Actors.Data;

/// <summary>Finds the lines of a file with one JSON object a line. Blank lines are skipped.</summary>
internal static class JsonLines
{
    private static readonly byte[] ByteOrderMark = [0xEF, 0xBB, 0xBF];

    /// <exception cref="InvalidDataException">A line is too long.</exception>
    public static List<RecordFile.Place> Find(string path, SafeFileHandle file, CancellationToken cancellation)
    {
        var lines = new List<RecordFile.Place>();
        var buffer = new byte[1 << 16];
        var (position, lineStart, number, blank) = (0L, 0L, 1, true);
        for (int count; (count = RandomAccess.Read(file, buffer, position)) > 0; position += count)
        {
            cancellation.ThrowIfCancellationRequested();
            var chunk = buffer.AsSpan(0, count);
            var at = position == 0 && chunk.StartsWith(ByteOrderMark) ? ByteOrderMark.Length : 0;
            lineStart += at;
            while (at < count)
            {
                var length = chunk[at..].IndexOf((byte)'\n');
                var part = length < 0 ? chunk[at..] : chunk.Slice(at, length);
                blank &= part.IndexOfAnyExcept(" \t\r"u8) < 0;
                at += part.Length + 1;
                if (length < 0)
                    break;
                Add(position + at - 1);
                number++;
                lineStart = position + at;
                blank = true;
            }
        }
        Add(position);
        return lines;

        void Add(long end)
        {
            if (end - lineStart > RecordFile.MaxBytes)
                throw RecordFile.TooLong(path, number);
            if (!blank)
                lines.Add(new RecordFile.Place(lineStart, (int)(end - lineStart), number));
        }
    }
}
